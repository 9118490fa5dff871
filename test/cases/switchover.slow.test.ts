import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { checkDataDisk } from "../../rig/guest/data-disk.ts";
import { parseDataLog } from "../../rig/guest/data-guest.ts";
import { ImageLock } from "../../rig/image-lock.ts";
import { PATIENCE_MS, qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { TcpRelay } from "../faults/tcp-relay.ts";
import { briefly, CaseStage } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const DATA_SECTORS = 256;
/** The source's agent waits 3 s for an answer; a heartbeat of the workflow is 60 s. */
const AT_ONCE_MS = 15_000;

describe.skipIf(qemu === undefined)(`the end of a move is seen${unlessQemu}`, () => {
  let cases: CaseStage;
  let vm = "";
  let dataPath = "";

  beforeAll(async () => {
    cases = await CaseStage.start();
  });
  afterAll(() => cases?.close());
  beforeEach(() => {
    vm = cases.nextVm();
  });
  afterEach(() => cases?.remove(vm));

  it("A1: a guest whose disk is locked at the target has not completed until it runs", async () => {
    dataPath = await cases.startDataGuest(vm, DATA_SECTORS);
    const id = await cases.begin(vm, briefly);
    await cases.stage.isInPrecopy(id);
    const lock = await ImageLock.hold(dataPath);
    try {
      const refused = await cases.emits(id, "migration.run-refused");
      expect(JSON.stringify(refused[0]?.detail)).toMatch(/lock/);
      expect(await cases.api.getMigration(id)).toMatchObject({ status: "running" });
      expect((await cases.api.getVm(vm)).state).not.toBe("running");
      // The source is the only copy whose guest has ever run.
      expect(cases.fleet.guestPid("host-a", vm)).toBeDefined();
    } finally {
      await lock.release();
    }
    const ended = await cases.ends(id);
    expect(ended.failure).toBeUndefined();
    expect(ended).toMatchObject({ status: "completed", arrivedAs: "running" });
    expect(ended.blackoutMs).toBeGreaterThan(0);
    await cases.stage.runsOnlyOn(vm, "host-b");
    await expectWhole();
  });

  it("B8: a handover link that breaks interrupts the wait for the target", async () => {
    await cases.start(vm);
    let relay: TcpRelay | undefined;
    let stream: TcpRelay | undefined;
    cases.interfere({
      onCommand: async (command) => {
        if (command.verb !== "source.start") return undefined;
        const args = command.args as { migrationUri: string; handover: { port: number } };
        const handover = await TcpRelay.start({ host: "127.0.0.1", port: args.handover.port });
        const port = Number(args.migrationUri.split(":").at(-1));
        const onShut = async () => {
          handover.stall(true);
          return "pass" as const;
        };
        stream = await TcpRelay.start({ host: "127.0.0.1", port }, { onShut });
        relay = handover;
        const migrationUri = `tcp:127.0.0.1:${stream.port}`;
        const link = { address: "127.0.0.1", port: handover.port };
        return { ...command, args: { ...args, migrationUri, handover: link } };
      },
    });
    try {
      const id = await cases.begin(vm, {});
      const ended = await cases.ends(id);
      expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
      const reconciled = ended.phases.find(({ name }) => name === "reconcile")?.startedAt ?? "";
      const waitedMs = Date.parse(reconciled) - (ended.sourceCompletedAtMs ?? 0);
      expect(waitedMs).toBeLessThan(AT_ONCE_MS);
      await cases.stage.runsOnlyOn(vm, "host-b");
    } finally {
      relay?.close();
      stream?.close();
    }
  });

  /** The guest's disk holds what it wrote, before and after the move. */
  async function expectWhole(): Promise<void> {
    await cases.operate("host-b", vm, (qmp) => qmp.execute("stop"));
    const log = ["host-a", "host-b"].map((host) => readLog(host)).join("");
    const reported = parseDataLog(log).at(-1);
    expect(reported?.errors).toBe(0);
    const expectation = { dataSectors: DATA_SECTORS, ...(reported ? { reported } : {}) };
    expect((await checkDataDisk(dataPath, expectation)).problems).toEqual([]);
  }

  function readLog(host: string): string {
    try {
      return readFileSync(cases.fleet.serialLog(host, vm), "latin1");
    } catch {
      return "";
    }
  }
});
