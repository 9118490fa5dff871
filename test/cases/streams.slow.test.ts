import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { PATIENCE_MS, qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { TcpRelay } from "../faults/tcp-relay.ts";
import { briefly, CaseStage } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** What the guest may stand still for: its agents' watches take a few seconds, and TCG is slow. */
const STANDSTILL_MS_MAX = 10_000;
const SILENCE_MS = 5_000;

describe.skipIf(qemu === undefined)(`nobody outside holds a guest${unlessQemu}`, () => {
  let cases: CaseStage;
  let vm = "";
  const strangers: Socket[] = [];

  beforeAll(async () => {
    cases = await CaseStage.start();
  });
  afterAll(() => cases?.close());
  beforeEach(() => {
    vm = cases.nextVm();
  });
  afterEach(async () => {
    for (const stranger of strangers.splice(0)) stranger.destroy();
    await cases.remove(vm);
  });

  it.each([
    ["off", "the source's address", "127.0.0.1"],
    ["psk", "the source's address", "127.0.0.1"],
    ["psk", "another address", "127.0.0.2"],
  ])(
    "B1: tls %s, a silent stranger from %s neither holds nor ends a move",
    async (tls, _, from) => {
      await cases.start(vm);
      const come = Promise.withResolvers<void>();
      cases.interfere({
        onCommand: async (command) => {
          if (command.verb !== "source.start") return undefined;
          const { migrationUri } = command.args as { migrationUri: string };
          await stranger(Number(migrationUri.split(":").at(-1)), from);
          come.resolve();
          return undefined;
        },
      });
      const id = await cases.begin(vm, { ...briefly, tls });
      await come.promise;
      await expectMoved(id);
    },
  );

  it.each(["off", "psk"])(
    "B1: tls %s, a target's QEMU that is frozen before the stream begins is replaced",
    async (tls) => {
      await cases.start(vm);
      const frozen = Promise.withResolvers<void>();
      cases.interfere({
        onCommand: async ({ verb }) => {
          const pid = cases.fleet.guestPid("host-b", vm);
          if (verb !== "source.start" || pid === undefined) return undefined;
          process.kill(pid, "SIGSTOP");
          frozen.resolve();
          return undefined;
        },
      });
      const id = await cases.begin(vm, { ...briefly, tls });
      await frozen.promise;
      await expectMoved(id);
    },
  );

  it("B1: a silent stranger on the handover port does not end a move", async () => {
    await cases.start(vm);
    cases.interfere({
      onCommand: async (command) => {
        if (command.verb !== "source.start") return undefined;
        const { handover } = command.args as { handover: { port: number } };
        for (let each = 0; each < 8; each += 1) await stranger(handover.port, "127.0.0.1");
        return undefined;
      },
    });
    await expectMoved(await cases.begin(vm, briefly));
  });

  it("B6: a stream that falls silent is noticed, and the guest stays on the source", async () => {
    await cases.start(vm);
    let relay: TcpRelay | undefined;
    cases.interfere({
      onCommand: async (command) => {
        if (command.verb !== "source.start") return undefined;
        const args = command.args as { migrationUri: string };
        const port = Number(args.migrationUri.split(":").at(-1));
        relay = await TcpRelay.start({ host: "127.0.0.1", port });
        return { ...command, args: { ...args, migrationUri: `tcp:127.0.0.1:${relay.port}` } };
      },
    });
    try {
      const stall = { silenceMs: SILENCE_MS };
      const convergence = { ladder: "suspend-if-needed", stall };
      const id = await cases.begin(vm, { ...briefly, convergence });
      await cases.stage.isInPrecopy(id);
      relay?.stall(true);
      await cases.countsWithin("host-a", vm, STANDSTILL_MS_MAX);
      const ended = await cases.ends(id);
      expect(ended).toMatchObject({
        status: "failed",
        runningOn: "host-a",
        failure: { code: "stream-silent" },
      });
      await cases.stage.runsOnlyOn(vm, "host-a");
    } finally {
      relay?.close();
    }
  });

  /** Connects, and sends nothing. */
  async function stranger(port: number, localAddress: string): Promise<void> {
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    socket.on("error", () => socket.destroy());
    strangers.push(socket);
    await new Promise<void>((resolve) => socket.once("connect", resolve).once("close", resolve));
  }

  /** The guest counts on all the time, and the move completes. */
  async function expectMoved(id: string): Promise<void> {
    const standstill = { longestMs: 0, counter: 0, sinceMs: performance.now() };
    let isOver = false;
    const watch = (async () => {
      while (!isOver) {
        const on = async (host: string) => cases.counter(host, vm);
        const counter = Math.max(await on("host-a"), await on("host-b"));
        if (counter > standstill.counter) standstill.sinceMs = performance.now();
        standstill.counter = Math.max(counter, standstill.counter);
        const now = performance.now() - standstill.sinceMs;
        standstill.longestMs = Math.max(standstill.longestMs, now);
        await sleep(50);
      }
    })();
    try {
      const ended = await cases.ends(id);
      expect(ended.failure).toBeUndefined();
      expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    } finally {
      isOver = true;
      await watch;
    }
    expect(standstill.longestMs).toBeLessThan(STANDSTILL_MS_MAX);
    await cases.stage.runsOnlyOn(vm, "host-b");
  }
});
