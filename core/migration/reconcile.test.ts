import { describe, expect, it } from "vitest";
import type { Observation } from "../protocol/observation.ts";
import { type Observed, type ReconcileAction, reconcile, TURNS_MAX } from "./reconcile.ts";

function report(side: Observation["side"], rest: Partial<Observation>): Observation {
  return { side, process: "running", everRan: side === "source", linkUp: false, ...rest };
}
const source = (runState: string, migrationStatus?: string) =>
  report("source", { runState, ...(migrationStatus ? { migrationStatus } : {}) });
const target = (rest: Partial<Observation>) => report("target", rest);

const sources: Record<string, Observed> = {
  idle: source("running"),
  failed: source("running", "failed"),
  cancelled: source("running", "cancelled"),
  active: source("running", "active"),
  setup: source("running", "setup"),
  cancelling: source("running", "cancelling"),
  "unknown status": source("running", "brand-new-state"),
  "pre-switchover": source("finish-migrate", "pre-switchover"),
  device: source("finish-migrate", "device"),
  failing: source("finish-migrate", "failing"),
  "stopped and failed": source("finish-migrate", "failed"),
  completed: source("postmigrate", "completed"),
  postcopy: source("finish-migrate", "postcopy-active"),
  exited: report("source", { process: "exited" }),
  "QMP silent": report("source", { process: "silent" }),
  "agent silent": "unreachable",
  none: report("source", { process: "none" }),
};
const targets: Record<string, Observed> = {
  none: target({ process: "none" }),
  exited: target({ process: "exited" }),
  "exited after it ran": target({ process: "exited", everRan: true }),
  waiting: target({ runState: "inmigrate" }),
  loading: target({ runState: "inmigrate", migrationStatus: "active" }),
  failed: target({ runState: "inmigrate", migrationStatus: "failed" }),
  loaded: target({ runState: "paused", migrationStatus: "completed" }),
  running: target({ runState: "running", migrationStatus: "completed", everRan: true }),
  "paused after it ran": target({
    runState: "paused",
    migrationStatus: "completed",
    everRan: true,
  }),
  postcopy: target({ runState: "running", migrationStatus: "postcopy-active", everRan: true }),
  "QMP silent": target({ process: "silent" }),
  "agent silent": "unreachable",
};

/** Rows: source; columns: target, in the order of `targets`. */
const table: Record<keyof typeof sources, string> = {
  idle: "R R F D D D D F F F W W",
  failed: "R R F D D D D F F F W W",
  cancelled: "R R F D D D D F F F W W",
  active: "C C F C C C C F F F C C",
  setup: "C C F C C C C F F F C C",
  cancelling: "C C F C C C C F F F C C",
  "unknown status": "C C F C C C C F F F C C",
  "pre-switchover": "C C L C C C C ✓ ✓ W C C",
  device: "C C L C C C C ✓ ✓ W C C",
  failing: "C C L C C C C ✓ ✓ W C C",
  "stopped and failed": "S S L D D D D ✓ ✓ F W W",
  completed: "S S ✓ D W D T ✓ ✓ W W W",
  postcopy: "W W L W W W W P P P W W",
  exited: "L L L D W D T ✓ ✓ F W W",
  "QMP silent": "W W L W W W W ✓ ✓ W W W",
  "agent silent": "W W L W W W W ✓ ✓ W W W",
  none: "W W L W W W W ✓ ✓ W W W",
};
const letters: Record<string, ReconcileAction> = {
  R: "end",
  D: "discard-target",
  C: "cancel-source",
  S: "resume-source",
  T: "resume-target",
  P: "await-postcopy",
  "✓": "complete",
  L: "lost",
  W: "wait",
  F: "freeze",
};

const pairs = Object.entries(table).flatMap(([from, row]) =>
  row.split(" ").map((letter, column) => {
    const to = Object.keys(targets)[column] ?? "";
    return { from, to, action: letters[letter] };
  }),
);

describe("reconcile decides each pair of observations", () => {
  it.each(pairs)("source $from, target $to → $action", ({ from, to, action }) => {
    const input = { turn: 1, wasRunning: true };
    const decision = reconcile({
      ...input,
      source: sources[from] ?? "unreachable",
      target: targets[to] ?? "unreachable",
    });
    expect(decision.action).toBe(action);
    expect(decision.reason).not.toBe("");
  });

  it("covers the whole table", () => {
    expect(pairs).toHaveLength(Object.keys(sources).length * Object.keys(targets).length);
  });
});

describe("reconcile never guesses", () => {
  it("gives up a target that waits in vain for a source that is gone, at the second turn", () => {
    const gone = sources.exited ?? "unreachable";
    const listening = target({ runState: "inmigrate", migrationStatus: "setup" });
    const ends = { source: gone, target: listening, wasRunning: true };
    expect(reconcile({ ...ends, turn: 1 }).action).toBe("wait");
    expect(reconcile({ ...ends, turn: 2 }).action).toBe("discard-target");
  });

  it.each(pairs.filter((pair) => pair.action === "wait"))(
    "source $from, target $to ends with a person, or where the guest is seen to run",
    ({ from, to }) => {
      const decision = reconcile({
        source: sources[from] ?? "unreachable",
        target: targets[to] ?? "unreachable",
        turn: TURNS_MAX,
        wasRunning: true,
      });
      const seen = ["idle", "failed", "cancelled"].includes(from);
      expect(decision.action).toBe(seen ? "end" : "freeze");
    },
  );

  it("takes no process of an earlier move for this one's target", () => {
    const left = report("source", { process: "exited", everRan: true });
    const ends = { source: source("running"), target: left, wasRunning: true, turn: 1 };
    expect(reconcile(ends).action).toBe("end");
  });

  it("a guest that was paused before stays paused", () => {
    const decision = reconcile({
      source: source("paused", "failed"),
      target: target({ process: "none" }),
      turn: 1,
      wasRunning: false,
    });
    expect(decision.action).toBe("end");
  });

  it("the source is never resumed after the guest has run on the target", () => {
    for (const observed of Object.values(sources)) {
      for (const ran of ["exited after it ran", "running", "paused after it ran", "postcopy"]) {
        const to = targets[ran] ?? "unreachable";
        const { action } = reconcile({ source: observed, target: to, turn: 1, wasRunning: true });
        expect(["complete", "freeze", "lost", "wait", "await-postcopy"]).toContain(action);
      }
    }
  });
});
