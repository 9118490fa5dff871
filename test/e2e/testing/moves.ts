import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { waitUntil } from "../../../rig/wait-until.ts";
import { endlessly, PATIENCE_MS, qemu, Stage, TRANSITIONS_MAX, unlessQemu } from "./stage.ts";

const MIB = 2 ** 20;

vi.setConfig({ testTimeout: 2 * PATIENCE_MS, hookTimeout: PATIENCE_MS });

type DryRun = { agreed: boolean; blockers: { message: string; cure: string }[] };

/** Declares the moves of guests. `http`: every service is called over HTTP with signatures. */
export function describeMoves({ http }: { http: boolean }): void {
  describe.skipIf(qemu === undefined)(
    `moves of guests, services called ${transport(http)}${unlessQemu}`,
    () => {
      let stage: Stage;

      beforeAll(async () => {
        stage = await Stage.start({
          http,
          host: { slotsIn: 1, slotsOut: 1 },
          agent: { memoryBytes: 128 * MIB },
        });
        await stage.guest("first");
        await stage.guest("second");
      });
      afterAll(() => stage?.close());

      it("complete in both directions", async () => {
        const there = await stage.move("first", "host-b");
        await stage.wentStraight(there);
        expect(there.ack).toMatchObject({ mode: "legacy", evidence: "trace" });
        expect(there.figures?.downtimeMs).toBeGreaterThan(0);
        await stage.runsOnlyOn("first", "host-b");
        await stage.move("first", "host-a");
        await stage.runsOnlyOn("first", "host-a");
      });

      it("end when they are cancelled in precopy, with the guest on the source", async () => {
        const { id } = await stage.api.createMigration({
          vm: "first",
          target: "host-b",
          policy: endlessly,
        });
        await stage.isInPrecopy(id);
        await stage.api.cancelMigration(id);

        const ended = await stage.ends(id);
        expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
        expect(ended.failure).toMatchObject({ code: "migration-cancelled", phase: "precopy" });
        expect((await stage.states(ended)).length).toBeLessThanOrEqual(TRANSITIONS_MAX);
        await stage.runsOnlyOn("first", "host-a");
        await expect(stage.api.cancelMigration(id)).rejects.toMatchObject({
          status: 409,
          problem: { code: "migration-over" },
        });
      });

      it("wait for a slot, can be cancelled, and are admitted when one is released", async () => {
        const first = await stage.api.createMigration({
          vm: "first",
          target: "host-b",
          policy: endlessly,
        });
        await stage.isInPrecopy(first.id);
        const second = await stage.api.createMigration({ vm: "second", target: "host-b" });
        await stage.api.cancelMigration(second.id);
        const cancelled = await stage.ends(second.id);
        expect(cancelled).toMatchObject({ status: "cancelled", runningOn: "host-a" });
        expect(cancelled.phases.map(({ name }) => name)).not.toContain("precopy");

        const third = await stage.api.createMigration({ vm: "second", target: "host-b" });
        await stage.isQueued(third.id);
        await stage.api.cancelMigration(first.id);
        expect(await stage.ends(first.id)).toMatchObject({ status: "cancelled" });
        expect(await stage.ends(third.id)).toMatchObject({ status: "completed" });
        await stage.runsOnlyOn("second", "host-b");
        await stage.runsOnlyOn("first", "host-a");
      });

      it("wait while the target has no memory for them, as a dry run predicts", async () => {
        // host-b: 128 MiB, of which `second` has 48 and `filler` 64.
        await stage.guest("filler", "host-b", "pc", 64);
        const dry: DryRun = await stage.api.dryRunMigration({ vm: "first", target: "host-b" });
        expect(dry).toMatchObject({ dryRun: true, agreed: false });
        expect(dry.blockers.map(({ message }) => message).join()).toMatch(/memory/i);

        const { id } = await stage.api.createMigration({ vm: "first", target: "host-b" });
        expect(await stage.api.getMigration(id)).toMatchObject({
          status: "running",
          phase: "admit",
        });
        await stage.api.deleteVm("filler", { mode: "quit" });
        await waitUntil(
          "filler to stop",
          async () => ((await stage.api.getVm("filler")).state === "stopped" ? true : undefined),
          { timeoutMs: PATIENCE_MS },
        );
        expect(await stage.ends(id)).toMatchObject({ status: "completed" });
        await stage.runsOnlyOn("first", "host-b");
      });
    },
  );
}

function transport(http: boolean): string {
  return http ? "over HTTP with signatures" : "within the process";
}
