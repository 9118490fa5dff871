import assert from "node:assert/strict";
import { expectAckAfter, expectAcked, expectCompleted } from "../expect.ts";
import { SOURCE } from "../fleet.ts";
import { move } from "../move.ts";
import type { Scenario } from "../scenario.ts";

const LOAD_MS = 6_000;
/** The target says nothing while it loads, and is asked before the source is cancelled. */
const LONG_LOAD_MS = 20_000;
const BUDGET_LOAD_MS = 3_000;
/** Less than the device takes, more than a move with the ACK. */
const BUDGET_MS = 2_500;
const DEADLINE_MS = 1_500;

export const deadlineCancel: Scenario = {
  name: "ack-deadline-cancel",
  claim: "an ACK that is late for the policy's deadline leaves the guest where it is",
  run: async ({ fleet }) => {
    const seen = await move(fleet, {
      knobs: { loadInitMs: LONG_LOAD_MS },
      policy: { ack: { deadlineMs: DEADLINE_MS, onTimeout: "cancel" } },
    });
    const { status, failure, runningOn, stoppedAtMs } = seen.migration;
    assert.equal(status, "failed");
    assert.equal(failure?.code, "ack-timeout", failure?.message);
    assert.equal(runningOn, SOURCE);
    assert.equal(stoppedAtMs, undefined, "the guest was stopped");
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
    "a learned load time refuses a move that would break the budget, and lets it go with the ACK",
  run: async ({ fleet, say }) => {
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
    say(`refused: ${failure?.message}`);
    const seen = await move(fleet, { knobs, policy: { downtimeBudgetMs: BUDGET_MS } });
    expectCompleted(seen);
    expectAcked(seen, ["vf0"]);
    return { move: seen, refusal: failure?.message, prediction: seen.migration.prediction };
  },
};
