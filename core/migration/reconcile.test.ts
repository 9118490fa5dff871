import { describe, expect, it } from "vitest";
import type { Observation } from "../protocol/observation.ts";
import { type Observed, type ReconcileAction, reconcile, TURNS_MAX } from "./reconcile.ts";

function observation(side: Observation["side"], rest: Partial<Observation>): Observation {
  return { side, process: "running", everRan: side === "source", linkUp: false, ...rest };
}
const source = (runState: string, migrationStatus?: string) =>
  observation("source", { runState, ...(migrationStatus ? { migrationStatus } : {}) });
const target = (rest: Partial<Observation>) => observation("target", rest);

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
  exited: observation("source", { process: "exited" }),
  "QMP silent": observation("source", { process: "silent" }),
  "agent silent": "unreachable",
  none: observation("source", { process: "none" }),
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
    const decision = reconcile({
      source: sources[from] ?? "unreachable",
      target: targets[to] ?? "unreachable",
      turn: 1,
      wasRunning: true,
    });
    expect(decision.action).toBe(action);
    expect(decision.reason).not.toBe("");
  });

  it("covers the whole table", () => {
    expect(pairs).toHaveLength(Object.keys(sources).length * Object.keys(targets).length);
  });
});

describe("reconcile never guesses", () => {
  it("discards a target that still listens after the source exited, at the second turn", () => {
    const exited = sources.exited ?? "unreachable";
    const listening = target({ runState: "inmigrate", migrationStatus: "setup" });
    const sides = { source: exited, target: listening, wasRunning: true };
    expect(reconcile({ ...sides, turn: 1 }).action).toBe("wait");
    expect(reconcile({ ...sides, turn: 2 }).action).toBe("discard-target");
  });

  it.each(pairs.filter((pair) => pair.action === "wait"))(
    "source $from, target $to: the last turn calls a person unless the source is seen to run",
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

  it("ignores the exited source process of an earlier migration on the target's host", () => {
    const exited = observation("source", { process: "exited", everRan: true });
    const sides = { source: source("running"), target: exited, wasRunning: true, turn: 1 };
    expect(reconcile(sides).action).toBe("end");
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

  it("waits for postcopy at each turn before the last one, then calls a person", () => {
    const sides = {
      source: source("finish-migrate", "postcopy-paused"),
      target: target({ runState: "paused", migrationStatus: "postcopy-paused", everRan: true }),
      wasRunning: true,
    };
    expect(reconcile({ ...sides, turn: TURNS_MAX - 1 }).action).toBe("await-postcopy");
    expect(reconcile({ ...sides, turn: TURNS_MAX }).action).toBe("freeze");
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
