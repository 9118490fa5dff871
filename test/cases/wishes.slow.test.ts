import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createDataDisk } from "../../rig/guest/data-disk.ts";
import { PATIENCE_MS, qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { CaseStage, gated, MEMORY_BYTES } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const DATA_SECTORS = 256;
const BITMAP = "backup0";
/** Phases before the stream: the guest has not been touched. */
const EARLY = ["probe", "negotiate", "prepare"];

describe.skipIf(qemu === undefined)(`what is asked for and required${unlessQemu}`, () => {
  let cases: CaseStage;
  let vm = "";

  beforeAll(async () => {
    cases = await CaseStage.start();
  });
  afterAll(() => cases?.close());
  afterEach(() => cases?.remove(vm));

  beforeEach(() => {
    vm = cases.nextVm();
  });

  it("C1: postcopy that was only asked for is given up where QEMU refuses it", async () => {
    await fileBacked();
    const id = await cases.begin(vm, { convergence: { ladder: "post-copy" } });
    const ended = await cases.ends(id);
    expect(ended.failure).toBeUndefined();
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    const choice = ended.agreement?.choices.find(({ subject }) => subject === "postcopy-ram");
    expect(choice?.value).toBe(false);
    expect(choice?.reason).toMatch(/postcopy|userfault|file|memory/i);
  });

  it("C1: postcopy that is required is refused before the stream, with QEMU's reason", async () => {
    await fileBacked();
    const id = await cases.begin(vm, { capabilities: { "postcopy-ram": "require" } });
    const ended = await cases.ends(id);
    expect(ended).toMatchObject({ status: "failed", runningOn: "host-a" });
    expect(EARLY).toContain(ended.failure?.phase);
    expect(ended.failure?.message).toMatch(/postcopy/i);
    expect(ended.failure?.message).not.toMatch(/QEMU has ended/);
  });

  it("C2: a gate and a bitmap of a backup tool: it travels, or the move is refused", async () => {
    await cases.startDataGuest(vm, DATA_SECTORS);
    await cases.operate("host-a", vm, async (qmp) => {
      const bitmap = { node: "data", name: BITMAP };
      await qmp.executeAny("block-dirty-bitmap-add", bitmap);
    });
    const policy = { ...gated, capabilities: { "dirty-bitmaps": "require" } };
    const id = await cases.begin(vm, policy);
    const held = await cases.emits(id, "migration.held").catch(() => undefined);
    if (held) await cases.api.permitSwitchover(id);
    const ended = await cases.ends(id);
    if (ended.status !== "completed") {
      expect(EARLY).toContain(ended.failure?.phase);
      expect(ended.failure?.message).toMatch(/bitmap/);
      return;
    }
    const nodes = await cases.operate("host-b", vm, (qmp) =>
      qmp.executeAny("query-named-block-nodes"),
    );
    expect(JSON.stringify(nodes)).toContain(BITMAP);
  });

  it("C3: a block job is named before anything starts", async () => {
    await cases.startDataGuest(vm, DATA_SECTORS);
    const path = join(cases.fleet.folder, `${vm}-backup.img`);
    await createDataDisk(path, DATA_SECTORS);
    await cases.operate("host-a", vm, async (qmp) => {
      const node = { driver: "file", "node-name": "backup-target", filename: path };
      await qmp.executeAny("blockdev-add", node);
      const job = { "job-id": "nightly", device: "data", target: "backup-target" };
      // A byte a second: it does not end by itself.
      await qmp.executeAny("blockdev-backup", { ...job, sync: "full", speed: 1 });
    });
    const dry = await cases.api.dryRunMigration({ vm, target: "host-b" });
    expect(dry.agreed).toBe(false);
    const blocker = dry.blockers.find(({ message }) => message.includes("nightly"));
    expect(blocker?.cure).toMatch(/job/);
    const ended = await cases.ends(await cases.begin(vm, {}));
    expect(ended).toMatchObject({ status: "failed", runningOn: "host-a" });
    expect(EARLY).toContain(ended.failure?.phase);
    expect(ended).not.toHaveProperty("stoppedAtMs");
  });

  /** Its memory is a shared file on a disk, for which QEMU cannot do postcopy. */
  async function fileBacked(): Promise<void> {
    const memory = {
      "qom-type": "memory-backend-file",
      id: "mem",
      size: MEMORY_BYTES,
      share: true,
    };
    const file = join(cases.fleet.folder, `${vm}.ram`);
    await cases.start(vm, {
      machineOptions: { "memory-backend": "mem" },
      objects: [{ ...memory, "mem-path": file }],
    });
  }
});
