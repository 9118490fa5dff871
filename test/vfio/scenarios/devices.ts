import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../../../client/api-error.ts";
import { downtimeMs, expectAckAfter, expectAcked, expectCompleted } from "../expect.ts";
import { LOCAL_DEVICE, SOURCE, TARGET } from "../fleet.ts";
import { RigGuest } from "../guest.ts";
import { move } from "../move.ts";
import { describeMove, entriesOf, type Scenario } from "../scenario.ts";

const MIB = 2 ** 20;
const INITIAL_KIB = 64 * 1024;
const FINAL_KIB = 16 * 1024;
const LOAD_MS = 1_000;

export const twoDevices: Scenario = {
  name: "two-devices",
  claim: "the ACK comes when the last of two devices has loaded, counted down in the timeline",
  run: async ({ fleet }) => {
    const seen = await move(fleet, { knobs: { loadInitMs: LOAD_MS }, devices: 2 });
    expectCompleted(seen);
    expectAcked(seen, ["vf0", "vf1"]);
    expectAckAfter(seen, 2 * LOAD_MS);
    const pending = entriesOf(seen.timeline, "migration.ack-pending").map(
      ({ detail }) => detail.pending,
    );
    assert.ok(isDeepStrictEqual(pending, [2, 1, 0]), `Expected 2, 1, 0, got ${pending}`);
    return { move: seen, pending };
  },
};

export const largeInitial: Scenario = {
  name: "initial-64m",
  claim: "64 MiB of initial bytes are out before the source is slowed down to wait for the ACK",
  run: async ({ fleet }) => {
    const seen = await move(fleet, { knobs: { initKib: INITIAL_KIB, loadInitMs: LOAD_MS } });
    expectCompleted(seen);
    expectAcked(seen, ["vf0"]);
    expectAckAfter(seen, LOAD_MS);
    const bytes = seen.migration.figures?.progress.vfioTransferredBytes ?? 0;
    assert.ok(bytes >= 64 * MIB, `Expected 64 MiB of VFIO state, got ${bytes} bytes`);
    return { move: seen };
  },
};

export const stopCopy: Scenario = {
  name: "stop-copy-16m",
  claim: "16 MiB of final device state move, over multifd's channels and without them",
  run: async ({ fleet, print }) => {
    const knobs = { finalKib: FINAL_KIB };
    const one = await move(fleet, { knobs, policy: { capabilities: { multifd: "forbid" } } });
    print(`one channel: ${describeMove(one)}`);
    const many = await move(fleet, { knobs, policy: { capabilities: { multifd: "require" } } });
    print(`multifd: ${describeMove(many)}`);
    for (const seen of [one, many]) {
      expectCompleted(seen);
      expectAcked(seen, ["vf0"]);
      const bytes = seen.migration.figures?.progress.vfioTransferredBytes ?? 0;
      assert.ok(bytes >= 16 * MIB, `Expected 16 MiB of VFIO state, got ${bytes} bytes`);
    }
    assert.equal(many.migration.agreement?.source.capabilities.multifd, true);
    assert.equal(many.migration.agreement?.target.capabilities.multifd, true);
    const downtimesMs = { oneChannel: downtimeMs(one), multifd: downtimeMs(many) };
    return { move: many, downtimesMs };
  },
};

export const missingResource: Scenario = {
  name: "missing-resource",
  claim: "a device that the target does not have blocks the move before anything is touched",
  run: async ({ fleet }) => {
    await fleet.renewDevices("stock");
    const guest = await RigGuest.start(fleet, "vm-local", [LOCAL_DEVICE]);
    try {
      const answer = await fleet.api
        .dryRunMigration({ vm: guest.vm, target: TARGET })
        .catch((error: unknown) => {
          if (error instanceof ApiError) return { blockers: [], ...error.problem };
          throw error;
        });
      const blocker = answer.blockers.find(({ code }) => code === "resource-missing");
      assert.match(blocker?.message ?? JSON.stringify(answer), new RegExp(LOCAL_DEVICE));
      await guest.waitUntilRunning(SOURCE);
      return { blocker: blocker?.message };
    } finally {
      await guest.end();
    }
  },
};
