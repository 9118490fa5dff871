import { describe, expect, it } from "vitest";
import { evacuationReason, migrationReason, retryReason, skipReason } from "./controls.ts";

const by = { author: "ada", nowMs: Date.parse("2026-11-30T10:00:00Z") };
const counters = { total: 2, waiting: 1, moving: 0, moved: 1, failed: 0, unplaced: 0 };
const running = {
  status: "running",
  plannedBy: "ada",
  approval: { approvers: 1, otherThanPlanner: true },
  approveUntil: "2026-12-01T10:00:00Z",
  version: 1,
  approvedVersion: 1,
  consentedVersion: 1,
  approvals: [],
  pauses: [],
  counters,
};
const paused = {
  ...running,
  status: "paused",
  pauses: [{ reason: "operator", author: "ada", since: "2026-11-30T09:00:00Z", endsWith: "" }],
};
const planned = {
  ...running,
  status: "planned",
  approvedVersion: undefined,
  consentedVersion: undefined,
};

describe("an evacuation's control", () => {
  it.each([
    ["pause", running, undefined],
    ["pause", paused, "You have paused it"],
    ["resume", paused, undefined],
    ["resume", running, "No pause of a person or of the error budget is there to end"],
    ["approve", running, "You have approved this version"],
    ["approve", planned, "ada has planned it: somebody else must approve it"],
    ["approve", { ...planned, plannedBy: "bob" }, undefined],
    ["cancel", { ...running, status: "completed" }, "It is completed"],
    ["rollback", { ...running, status: "completed" }, undefined],
    ["rollback", planned, "It is planned: no VM of it has moved"],
  ] as const)("%s is disabled for a reason of the control plane's rules", (action, one, reason) => {
    expect(evacuationReason(one as never, action, by)).toBe(reason);
  });
});

describe("a control of one VM of an evacuation", () => {
  it("is disabled when its state does not fit", () => {
    expect(skipReason(running as never, { state: "waiting" } as never)).toBeUndefined();
    expect(skipReason(running as never, { state: "moving" } as never)).toContain("is moving");
    expect(retryReason(running as never, { state: "failed" } as never)).toBeUndefined();
    expect(retryReason(running as never, { state: "moved" } as never)).toBe("It is moved");
  });
});

describe("a migration's control", () => {
  const moving = { status: "running", phase: "precopy", startedAtMs: 1 };
  it.each([
    ["cancel", moving, undefined],
    [
      "cancel",
      { ...moving, stoppedAtMs: 2 },
      "The guest has stopped on the source for the switchover",
    ],
    ["cancel", { ...moving, cancelRequestedAt: "x" }, "It is being cancelled"],
    ["bandwidth", { ...moving, startedAtMs: undefined }, "It sends nothing yet"],
    ["permit", moving, "It has no gate: it switches over by itself"],
    ["permit", { ...moving, gate: {} }, undefined],
    ["waive", { ...moving, phase: "await-ack" }, undefined],
    ["cancel", { status: "completed" }, "It is over: completed"],
  ] as const)("%s", (action, migration, reason) => {
    expect(migrationReason(migration as never, action)).toBe(reason);
  });
});
