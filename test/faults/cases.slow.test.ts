import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { Bed } from "./bed.ts";
import { type Plan, policyOf } from "./plan.ts";
import { Run } from "./run.ts";
import { World } from "./world.ts";

const PATIENCE_MS = 180_000;
const qemu = findQemu();
const unlessQemu = qemu === undefined ? " (skipped: no QEMU)" : "";

/** Single faults that an earlier version did not survive. */
describe.skipIf(qemu === undefined)(`a guest that is moved${unlessQemu}`, () => {
  let world: World;
  let bed: Bed;

  beforeAll(async () => {
    world = new World();
    bed = await Bed.start(world, qemu ?? "");
  }, PATIENCE_MS);
  afterAll(async () => {
    await bed?.close();
    world?.close();
  }, PATIENCE_MS);

  const move = (strikes: Plan["strikes"], gated = false, capabilities = {}) =>
    Run.go(bed, { policy: policyOf(gated, capabilities), gated, permitAfterMs: 0, strikes });

  it(
    "runs once when the target's last message to the source is lost",
    async () => {
      const ended = await move([{ at: "asked", afterMs: 0, fault: { kind: "lose-last-message" } }]);
      expect(ended.violations).toEqual([]);
      // The target had the whole guest; the source did not learn of it and resumed the guest.
      expect(ended.migration.status).toBe("failed");
      expect(ended.runsOn).toBe(ended.migration.source);
    },
    PATIENCE_MS,
  );

  it(
    "leaves no process when its QEMU is killed while the target is being prepared",
    async () => {
      const fault = { kind: "kill", victim: "source-qemu", restartAfterMs: 0 } as const;
      const ended = await move([{ at: "preparing", afterMs: 0, fault }]);
      expect(ended.violations).toEqual([]);
      expect(ended.migration.failure?.code).toBe("guest-lost");
    },
    PATIENCE_MS,
  );

  it(
    "is recorded as lost when its QEMU is killed before it has connected to the target",
    async () => {
      const fault = { kind: "kill", victim: "source-qemu", restartAfterMs: 0 } as const;
      const ended = await move([{ at: "starting", afterMs: 0, fault }]);
      expect(ended.violations).toEqual([]);
      expect(ended.migration).toMatchObject({
        status: "failed",
        failure: { code: "guest-lost" },
      });
    },
    PATIENCE_MS,
  );

  it(
    "leaves no hung target when the stream of a multifd migration breaks after STOP",
    async () => {
      const fault = { kind: "cut", link: "stream" } as const;
      const multifd = { multifd: "require", "pause-before-switchover": "require" };
      const ended = await move([{ at: "stopped", afterMs: 0, fault }], true, multifd);
      expect(ended.violations).toEqual([]);
      expect(ended.migration.status).toBe("failed");
      expect(ended.runsOn).toBe(ended.migration.source);
    },
    PATIENCE_MS,
  );
});
