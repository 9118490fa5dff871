import assert from "node:assert/strict";
import {
  downtimeMs,
  expectAckAfter,
  expectAcked,
  expectCompleted,
  expectGivenUp,
  expectNoAck,
} from "../expect.ts";
import { move } from "../move.ts";
import { setMttyKnobs } from "../rig/mdev.ts";
import { entriesOf, type Scenario } from "../scenario.ts";

const LOAD_MS = 6_000;
/** Longer than it takes, on busy cores, to give up a late migration and start its successor. */
const LONG_LOAD_MS = 20_000;
const BUDGET_LOAD_MS = 3_000;
/** Less than the device takes, more than a move with the ACK. */
const BUDGET_MS = 2_500;
const DEADLINE_MS = 1_500;
/** The load time of a successor's device, and its limit. */
const NEXT_LOAD_MS = 3_000;
const ROOMY_BUDGET_MS = 15_000;

export const deadlineCancel: Scenario = {
  name: "ack-deadline-cancel",
  claim: "an ACK that is late for the policy's deadline leaves the guest where it is",
  run: async ({ fleet }) => {
    const seen = await move(fleet, {
      knobs: { loadInitMs: LOAD_MS },
      policy: { ack: { deadlineMs: DEADLINE_MS, onTimeout: "cancel" } },
    });
    expectGivenUp(seen.migration);
    return { move: seen, failure: seen.migration.failure?.message };
  },
};

export const deadlineProceed: Scenario = {
  name: "ack-deadline-proceed",
  claim: "the policy proceed gives a late ACK up, and a successor moves the guest without it",
  run: async ({ fleet, print }) => {
    const seen = await move(fleet, {
      knobs: { loadInitMs: LONG_LOAD_MS },
      policy: {
        ack: { deadlineMs: DEADLINE_MS, onTimeout: "proceed" },
        downtimeBudgetMs: ROOMY_BUDGET_MS,
      },
      // The first migration's driver already waits: this applies to the successor's.
      inGate: () => setMttyKnobs(fleet.l1, { loadInitMs: NEXT_LOAD_MS }),
      successor: true,
    });
    const { migration, predecessor } = seen;
    assert.ok(predecessor, "a predecessor");
    expectGivenUp(predecessor.migration);
    const { failure } = predecessor.migration;
    assert.match(failure?.message ?? "", /a successor goes without it/);
    print(`given up: ${failure?.message}`);
    expectCompleted(seen);
    assert.equal(migration.predecessor, predecessor.migration.id);
    assert.equal(migration.policy.capabilities["switchover-ack"], "forbid");
    expectNoAck(seen);
    for (const { timeline } of [predecessor, seen]) {
      // Without new devices the successor would fail.
      const [hook] = entriesOf(timeline, "migration.hook");
      assert.equal(hook?.detail.outcome, "succeeded", JSON.stringify(hook));
    }
    const took = downtimeMs(seen);
    assert.ok(took >= NEXT_LOAD_MS, `Expected the downtime to hold the load time, got ${took} ms`);
    assert.ok(took <= ROOMY_BUDGET_MS, `Expected the budget to be kept, got ${took} ms`);
    return { move: seen, failure: failure?.message };
  },
};

export const proceedOverBudget: Scenario = {
  name: "ack-proceed-over-budget",
  claim: "the policy proceed has no successor when a learned load time would break the budget",
  run: async ({ fleet }) => {
    const taught = await move(fleet, {
      knobs: { loadInitMs: BUDGET_LOAD_MS },
      policy: { capabilities: { "switchover-ack": "forbid" } },
    });
    expectCompleted(taught);
    const seen = await move(fleet, {
      knobs: { loadInitMs: LONG_LOAD_MS },
      policy: {
        ack: { deadlineMs: DEADLINE_MS, onTimeout: "proceed" },
        downtimeBudgetMs: BUDGET_MS,
      },
    });
    expectGivenUp(seen.migration);
    const { failure, successor } = seen.migration;
    const reason = new RegExp(
      `budget of ${BUDGET_MS} ms cannot be kept \\(\\d+ ms learned from mdev mtty-2\\)`,
    );
    assert.match(failure?.message ?? "", reason);
    assert.equal(successor, undefined, "a successor");
    return { move: seen, failure: failure?.message };
  },
};

export const deadlineHold: Scenario = {
  name: "ack-deadline-hold",
  claim: "the policy hold waits past the deadline, and the guest moves when the ACK comes",
  run: async ({ fleet }) => {
    const seen = await move(fleet, {
      knobs: { loadInitMs: LOAD_MS },
      policy: { ack: { deadlineMs: DEADLINE_MS, onTimeout: "hold" } },
    });
    expectCompleted(seen);
    expectAcked(seen, ["vf0"]);
    expectAckAfter(seen, LOAD_MS);
    return { move: seen };
  },
};

export const downtimeBudget: Scenario = {
  name: "downtime-budget",
  claim:
    "a learned load time refuses a move that would break the budget, and allows it with the ACK",
  run: async ({ fleet, print }) => {
    const knobs = { loadInitMs: BUDGET_LOAD_MS };
    const without = { capabilities: { "switchover-ack": "forbid" } } as const;
    const taught = await move(fleet, { knobs, policy: without });
    expectCompleted(taught);
    const policy = { ...without, downtimeBudgetMs: BUDGET_MS };
    const refused = await move(fleet, { knobs, policy });
    const { status, failure, startedAtMs } = refused.migration;
    assert.equal(status, "failed");
    assert.equal(failure?.code, "downtime-budget", failure?.message);
    assert.equal(startedAtMs, undefined, "the migration was started");
    print(`refused: ${failure?.message}`);
    const seen = await move(fleet, { knobs, policy: { downtimeBudgetMs: BUDGET_MS } });
    expectCompleted(seen);
    expectAcked(seen, ["vf0"]);
    return { move: seen, refusal: failure?.message, prediction: seen.migration.prediction };
  },
};
