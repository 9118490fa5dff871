import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { userfaultfd } from "../../agent/probe/host.ts";
import type { Command } from "../../core/protocol/command.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { StreamRelay } from "../agent/testing/stream-relay.ts";
import { FaultyProxy } from "../faults/proxy.ts";
import { freeBasePort, PATIENCE_MS, qemu, Stage, unlessQemu } from "./testing/stage.ts";

const MIB = 2 ** 20;
/** Up to five tries, ten seconds apart, each some seconds long. */
const LONG_MS = 240_000;

/** Precopy can never converge, and postcopy lasts for some seconds. */
const policy = {
  convergence: { ladder: "post-copy" as const, stall: { windowMs: 1_000 } },
  capabilities: { "auto-converge": "forbid" as const },
  parameters: { "max-bandwidth": 8 * MIB, "max-postcopy-bandwidth": 3 * MIB },
  switchoverBandwidthBytesPerSecond: 4 * MIB,
};

describe.skipIf(qemu === undefined || !userfaultfd())(
  `postcopy whose connection breaks${unlessQemu}`,
  () => {
    let stage: Stage;
    let guests = 0;
    let vm = "";
    let proxy: FaultyProxy;
    let relays: StreamRelay[] = [];
    /** What the agents were told, in order. */
    let told: string[] = [];
    /** Where the source is sent to recover; undefined: to the target. */
    let dead: string | undefined;

    beforeAll(async () => {
      const port = await freeBasePort();
      proxy = await FaultyProxy.start({ apiPort: port, sqsPort: port + 1 });
      stage = await Stage.start({
        port,
        agent: { apiUrl: proxy.url },
        agentEnvironment: { AWS_ENDPOINT_URL_SQS: proxy.url },
      });
    }, PATIENCE_MS);
    afterEach(async () => {
      for (const relay of relays) relay.close();
      relays = [];
      await stage.api.deleteVm(vm, { mode: "quit" }).catch(() => undefined);
    });
    afterAll(async () => {
      await stage?.close();
      proxy?.close();
    }, PATIENCE_MS);

    /** Moves a busy guest by postcopy; the stream is cut `cuts` times, each time it goes on. */
    async function begin(cuts: number): Promise<string> {
      told = [];
      guests += 1;
      vm = `busy-${guests}`;
      let left = cuts;
      const cut = () => {
        if (left <= 0) return;
        left -= 1;
        relays.at(-1)?.cut();
      };
      proxy.hooks = {
        onCommand: async (command) => {
          told.push(command.verb);
          return throughRelay(command);
        },
        onEvent: async (body) => {
          if (body.type === "migration.target-running") cut();
          const isRecovered =
            body.type === "command.completed" && body.commandId.includes(".recover-source.");
          if (isRecovered) cut();
        },
      };
      const load = { dirtyBytesPerSecond: 32 * MIB, workingSetBytes: 16 * MIB };
      await stage.guest(vm, "host-a", "pc", 48, load);
      const { id } = await stage.api.createMigration({ vm, target: "host-b", policy });
      return id;
    }

    async function throughRelay(command: Command): Promise<Command> {
      const { verb } = command;
      if (verb !== "source.start" && verb !== "source.recover") return command;
      const args = command.args as { migrationUri: string | null };
      if (args.migrationUri === null) return command;
      if (verb === "source.recover" && dead !== undefined) {
        return { ...command, args: { ...args, migrationUri: dead } };
      }
      const relay = await StreamRelay.start(args.migrationUri);
      relays.push(relay);
      return { ...command, args: { ...args, migrationUri: relay.uri } };
    }

    const ends = (id: string) => stage.fleet.waitForMigration(id, { timeoutMs: LONG_MS });

    /** Every page came: the guest turns at each before it writes it again. */
    async function isWhole(): Promise<void> {
      const path = stage.fleet.serialLog("host-b", vm);
      const first = await waitForCounter(path, () => true, { timeoutMs: PATIENCE_MS });
      // Two laps of its working set.
      const isRound = ({ counter }: { counter: number }) => counter > first.counter + 100;
      const last = await waitForCounter(path, isRound, { timeoutMs: PATIENCE_MS });
      expect(last.errors).toBe(0);
      await stage.runsOnlyOn(vm, "host-b");
    }

    it.each([1, 2])(
      "is recovered by the coordinator, %d times, with nothing lost",
      async (cuts) => {
        dead = undefined;
        const id = await begin(cuts);
        const ended = await ends(id);
        expect(ended.failure).toBeUndefined();
        expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
        expect(ended.postcopyAtMs).toEqual(expect.any(Number));
        expect(told.filter((verb) => verb === "target.recover")).toHaveLength(cuts);
        expect(told.filter((verb) => verb === "source.recover")).toHaveLength(cuts);
        expect(told).not.toContain("source.cancel");
        await isWhole();
      },
      LONG_MS + PATIENCE_MS,
    );

    it(
      "is left to a person when no try helps, both ends untouched; on his word it goes on",
      async () => {
        dead = "tcp:127.0.0.1:1";
        const id = await begin(1);
        const ended = await ends(id);
        expect(ended).toMatchObject({ status: "unknown", failure: { code: "unknown-state" } });
        expect(ended).not.toHaveProperty("runningOn");
        expect(ended.failure?.state).toMatch(/paused at both ends.*memory that is still on/);
        expect(ended.failure?.cure).toMatch(/until a person decides/);
        expect(told.filter((verb) => verb === "source.recover")).toHaveLength(5);
        const forbidden = ["source.cancel", "source.resume", "target.discard", "source.discard"];
        expect(told.filter((verb) => forbidden.includes(verb))).toEqual([]);
        expect(stage.fleet.guestPid("host-a", vm)).toEqual(expect.any(Number));
        expect(stage.fleet.guestPid("host-b", vm)).toEqual(expect.any(Number));
        expect(await stage.api.getVm(vm)).toMatchObject({ state: "unknown", lockedBy: id });

        dead = undefined;
        await stage.api.reconcileVm(vm);
        const again = await waitUntil(
          "its end",
          async () => {
            const { status } = await stage.api.getMigration(id);
            return status === "running" ? undefined : status;
          },
          { timeoutMs: PATIENCE_MS, everyMs: 200 },
        );
        expect(again).toBe("completed");
        await isWhole();
      },
      LONG_MS + PATIENCE_MS,
    );
  },
);
