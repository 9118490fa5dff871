import { describe, expect, it } from "vitest";
import type { Observation } from "../protocol/observation.ts";
import { observation } from "../protocol/testing/observation.ts";
import {
  type ReconcileAction,
  type ReconcileInput,
  reconcile,
  TRIES_MAX,
  TURNS_MAX,
  UNDECIDED_TURNS_MAX,
  type UndoAction,
  undoActions,
} from "./reconcile.ts";
import { type Observed, sourceState, targetState } from "./side-state.ts";

const source = (runState: string, migrationStatus?: string) =>
  observation("source", {
    runState,
    saidCompleted: migrationStatus === "completed",
    ...(migrationStatus ? { migrationStatus } : {}),
  });
const target = (rest: Partial<Observation>) => observation("target", rest);
const loaded = { runState: "paused", migrationStatus: "completed" };

const sources: Record<string, Observed> = {
  idle: source("running"),
  failed: source("running", "failed"),
  cancelled: source("running", "cancelled"),
  "paused, cancelled": source("paused", "cancelled"),
  "asleep, failed": source("suspended", "failed"),
  "I/O error, idle": source("io-error"),
  "resumed and stopped again": source("io-error", "completed"),
  active: source("running", "active"),
  "paused, active": source("paused", "active"),
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
  forgotten: target({ process: "none", remembers: false, bootId: "a" }),
  exited: target({ process: "exited" }),
  "exited, permitted": target({ process: "exited", permittedToRun: true }),
  waiting: target({ runState: "inmigrate" }),
  loading: target({ runState: "inmigrate", migrationStatus: "active" }),
  failed: target({ runState: "inmigrate", migrationStatus: "failed" }),
  loaded: target(loaded),
  refused: target({ ...loaded, contSent: true, runRefused: "Failed to get a lock" }),
  permitted: target({ ...loaded, permittedToRun: true, contSent: true }),
  running: target({ runState: "running", migrationStatus: "completed", permittedToRun: true }),
  "arrived, stopped since": target({ ...loaded, permittedToRun: true, arrived: true }),
  postcopy: target({ runState: "running", migrationStatus: "postcopy-active", arrived: true }),
  "QMP silent": target({ process: "silent" }),
  "QMP silent, arrived": target({ process: "silent", permittedToRun: true, arrived: true }),
  "agent silent": "unreachable",
};

/** Rows: source; columns: target, in the order of `targets`. */
const table: Record<keyof typeof sources, string> = {
  //           none forg exit died wait load fail full refu perm runs stop post sil  sila unre
  idle: "       E    E    E    F    D    D    D    D    D    F    F    F    F    D    F    W",
  failed: "     E    E    E    F    D    D    D    D    D    F    F    F    F    D    F    W",
  cancelled: "  E    E    E    F    D    D    D    D    D    F    F    F    F    D    F    W",
  "paused, cancelled":
    "           E    E    E    F    D    D    D    D    D    F    F    F    F    D    F    W",
  "asleep, failed":
    "           E    E    E    F    D    D    D    D    D    F    F    F    F    D    F    W",
  "I/O error, idle":
    "           E    E    E    F    D    D    D    D    D    F    F    F    F    D    F    W",
  "resumed and stopped again":
    "           E    E    E    F    D    D    D    D    D    F    F    F    F    D    F    W",
  active: "     C    C    C    F    C    C    C    C    C    F    F    F    F    C    F    C",
  "paused, active":
    "           C    C    C    F    C    C    C    C    C    F    F    F    F    C    F    C",
  setup: "      C    C    C    F    C    C    C    C    C    F    F    F    F    C    F    C",
  cancelling: " C    C    C    F    C    C    C    C    C    F    F    F    F    C    F    C",
  "unknown status":
    "           C    C    C    F    C    C    C    C    C    F    F    F    F    C    F    C",
  "pre-switchover":
    "           C    C    C    L    C    C    C    C    C    T    ✓    ✓    W    C    ✓    C",
  device: "     C    C    C    L    C    C    C    C    C    T    ✓    ✓    W    C    ✓    C",
  failing: "    C    C    C    L    C    C    C    C    C    T    ✓    ✓    W    C    ✓    C",
  "stopped and failed":
    "           S    S    S    L    D    D    D    D    D    T    ✓    ✓    F    D    ✓    W",
  completed: "  S    F    S    ✓    D    W    D    T    T    T    ✓    ✓    W    W    ✓    W",
  postcopy: "   W    W    W    L    W    W    W    W    W    P    P    P    P    W    P    W",
  exited: "     L    L    L    L    D    W    D    T    T    T    ✓    ✓    F    W    ✓    W",
  "QMP silent":
    "           W    W    W    L    W    W    W    W    W    T    ✓    ✓    W    W    ✓    W",
  "agent silent":
    "           W    W    W    L    W    W    W    W    W    T    ✓    ✓    W    W    ✓    W",
  none: "       W    W    W    L    W    W    W    W    W    T    ✓    ✓    W    W    ✓    W",
};
const letters: Record<string, ReconcileAction> = {
  E: "end",
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

const record = {
  targetPrepared: true,
  sourceExited: false,
  sourceCompleted: false,
  targetBootId: "a",
  sourceDown: false,
  targetDown: false,
};
const first = { turn: 1, runStateBefore: "running", record, tries: {} };
const pairs = Object.entries(table).flatMap(([from, row]) =>
  row
    .trim()
    .split(/\s+/)
    .map((letter, column) => {
      const to = Object.keys(targets)[column] ?? "";
      return { from, to, action: letters[letter] };
    }),
);
/** As when the next turn finds the same. */
const reconcileTwice = (input: ReconcileInput) => {
  const { action, reason } = reconcile(input);
  return action === "wait" ? reconcile({ ...input, reasonBefore: reason }) : { action, reason };
};
const endsOf = ({ from, to }: { from: string; to: string }) => ({
  source: sources[from] ?? "unreachable",
  target: targets[to] ?? "unreachable",
});

describe("reconcile decides each pair of observations", () => {
  it.each(pairs)("source $from, target $to → $action", ({ from, to, action }) => {
    const decision = reconcileTwice({ ...first, ...endsOf({ from, to }) });
    expect(decision.action).toBe(action);
    expect(decision.reason).not.toBe("");
  });

  it("covers the whole table", () => {
    expect(pairs).toHaveLength(Object.keys(sources).length * Object.keys(targets).length);
  });
});

describe("reconcile calls no person for two observations of different moments", () => {
  const running = targets.running ?? "unreachable";
  const input = { ...first, source: source("running", "active"), target: running };

  it("a source that was migrating when its guest had not arrived yet", () => {
    const { action, reason } = reconcile(input);
    expect(action).toBe("wait");
    const next = { ...input, turn: 2, reasonBefore: reason };
    expect(reconcile({ ...next, source: source("postmigrate", "completed") }).action).toBe(
      "complete",
    );
    expect(reconcile(next)).toEqual({ action: "freeze", reason });
  });

  it("but at the last turn what was found counts", () => {
    expect(reconcile({ ...input, turn: TURNS_MAX }).action).toBe("freeze");
  });
});

describe("reconcile remembers", () => {
  const completed = source("postmigrate", "completed");
  const forgot = (bootId: string) => target({ process: "none", remembers: false, bootId });
  const decide = (rest: Partial<ReconcileInput>) =>
    reconcileTwice({ ...first, source: completed, target: forgot("a"), ...rest }).action;

  it("that a target which had prepared has forgotten the guest, and is not absent", () => {
    expect(decide({})).toBe("freeze");
    expect(decide({ target: forgot("b") })).toBe("lost");
  });

  it.each([false, true])(
    "that a source which could not hand the guest over still has it: completed reported %s",
    (sourceCompleted) => {
      const alone = { ...completed, saidCompleted: false };
      const known = { ...record, sourceCompleted };
      expect(decide({ source: alone, record: known })).toBe("resume-source");
      expect(decide({ source: alone, record: known, target: forgot("b") })).toBe("resume-source");
      expect(decide({ record: known })).toBe("freeze");
    },
  );

  it("that a host which had not prepared has nothing to forget", () => {
    expect(decide({ record: { ...record, targetPrepared: false } })).toBe("resume-source");
  });

  it("what a source that has exited had reported", () => {
    const exited = observation("source", { process: "exited" });
    const reported = { ...record, sourceCompleted: true };
    expect(decide({ source: exited })).toBe("lost");
    expect(decide({ source: exited, record: reported })).toBe("freeze");
    expect(decide({ source: exited, record: reported, target: forgot("b") })).toBe("lost");
  });

  it.each(Object.keys(targets))("that the source's process has ended: target %s", (to) => {
    const rest = {
      target: targets[to] ?? "unreachable",
      record: { ...record, sourceExited: true },
    };
    const none = observation("source", { process: "none" });
    const exited = observation("source", { process: "exited" });
    expect(decide({ ...rest, source: none })).toBe(decide({ ...rest, source: exited }));
  });

  it("that another side's left-over process took no part", () => {
    const left = observation("source", { process: "exited", permittedToRun: true });
    expect(decide({ source: source("running"), target: left })).toBe("end");
  });

  it("that a left-over of an earlier move does not tell what the target has forgotten", () => {
    const left = { process: "exited", permittedToRun: true, remembers: false } as const;
    const on = (bootId: string) => observation("source", { ...left, bootId });
    expect(decide({ target: on("a") })).toBe(decide({ target: forgot("a") }));
    expect(decide({ target: on("b") })).toBe("lost");
    const unprepared = { ...record, targetPrepared: false };
    expect(decide({ target: on("b"), record: unprepared })).toBe("resume-source");
  });

  it.each(["paused", "io-error", "guest-panicked"])(
    "that a guest which was %s before the move is given back, and not started again and again",
    (runStateBefore) => {
      const absent = target({ process: "exited" });
      expect(decide({ target: absent, runStateBefore })).toBe("resume-source");
      const returned = { ...completed, returned: true } as const;
      expect(decide({ source: returned, target: absent, runStateBefore })).toBe("end");
    },
  );

  it("that QEMU aborts when a migrated sleeping guest is resumed at its source", () => {
    expect(decide({ target: target({ process: "exited" }), runStateBefore: "suspended" })).toBe(
      "freeze",
    );
  });
});

describe("a host that a person has confirmed to be down", () => {
  const decide = (rest: Pick<ReconcileInput, "source" | "target" | "record">) =>
    reconcileTwice({ ...first, ...rest }).action;
  const exited = observation("source", { process: "exited" });
  const forgotten = target({ process: "none", remembers: false, bootId: "b" });
  const unreachable = "unreachable" as const;

  it.each(Object.keys(targets))("as the source, has no process any more: target %s", (to) => {
    const known = { ...record, sourceDown: true };
    const ends = { target: targets[to] ?? unreachable, record: known };
    expect(decide({ ...ends, source: unreachable })).toBe(decide({ ...ends, source: exited }));
  });

  it.each(Object.keys(sources))("as the target, has crashed: source %s", (from) => {
    const known = { ...record, targetDown: true };
    const ends = { source: sources[from] ?? unreachable, record: known };
    expect(decide({ ...ends, target: unreachable })).toBe(decide({ ...ends, target: forgotten }));
  });

  it.each([
    ["gives the source what was never handed over", false, "resume-source"],
    ["loses what was handed over", true, "lost"],
  ])("as the target, %s", (_, saidCompleted, action) => {
    const known = { ...record, targetDown: true };
    const completed = { ...source("postmigrate", "completed"), saidCompleted };
    expect(decide({ source: completed, target: unreachable, record: known })).toBe(action);
  });

  it("as the target, leaves nothing of a guest in postcopy", () => {
    const known = { ...record, targetDown: true };
    const postcopy = source("finish-migrate", "postcopy-paused");
    expect(decide({ source: postcopy, target: unreachable, record: known })).toBe("lost");
  });

  it("on both sides, leaves nothing", () => {
    const known = { ...record, sourceDown: true, targetDown: true };
    expect(decide({ source: unreachable, target: unreachable, record: known })).toBe("lost");
  });

  it("counts for nothing once its agent answers", () => {
    const known = { ...record, sourceDown: true, targetDown: true };
    expect(decide({ source: source("running"), target: target(loaded), record: known })).toBe(
      "discard-target",
    );
  });
});

describe("reconcile gives a refused guest back to its source", () => {
  const completed = source("postmigrate", "completed");
  const refused = targets.refused ?? "unreachable";
  const tried = (count: number) => ({ count, lastError: "Failed to get a lock" });
  const decide = (rest: Partial<ReconcileInput>) =>
    reconcile({ ...first, source: completed, target: refused, ...rest });

  it("after the target's tries are used up, with QEMU's own words", () => {
    const { action, reason } = decide({ tries: { "resume-target": tried(TRIES_MAX) } });
    expect(action).toBe("discard-target");
    expect(reason).toContain("Failed to get a lock");
  });

  it("but never a sleeping one, and not while the target cannot be ended", () => {
    const tries = { "resume-target": tried(TRIES_MAX) };
    expect(decide({ tries, runStateBefore: "suspended" }).action).toBe("freeze");
    const both = { ...tries, "discard-target": tried(TRIES_MAX) };
    expect(decide({ tries: both }).action).toBe("freeze");
  });
});

describe("every way back ends", () => {
  it.each(pairs.filter(({ action }) => action === "wait"))(
    "source $from, target $to: waiting ends with a person, or where the guest is",
    ({ from, to }) => {
      const ends = endsOf({ from, to });
      const decision = reconcile({ ...first, ...ends, turn: UNDECIDED_TURNS_MAX });
      const isAtSource = ["running", "standing"].includes(sourceState(ends.source, record));
      expect(decision.action).toBe(isAtSource ? "end" : "freeze");
    },
  );

  it.each(undoActions)("%s is not tried more than its number of times", (action) => {
    for (const pair of pairs.filter((one) => one.action === action)) {
      const tries = { [action]: { count: TRIES_MAX, lastError: "no" } };
      expect(reconcile({ ...first, ...endsOf(pair), tries }).action).not.toBe(action);
    }
  });

  it("whatever is refused, silent or repeated, within the bound and with an end", () => {
    const random = sequence(7);
    for (let run = 0; run < 2_000; run += 1) {
      const actions = wayBack(random);
      expect(actions.length).toBeLessThanOrEqual(TURNS_MAX);
      expect(["complete", "end", "lost", "freeze"]).toContain(actions.at(-1));
      for (const action of undoActions) {
        expect(actions.filter((one) => one === action).length).toBeLessThanOrEqual(TRIES_MAX);
      }
    }
  });
});

describe("reconcile never makes a second runner", () => {
  it("resumes the source only when no target process may have run, or may still run, the guest", () => {
    for (const pair of pairs.filter(({ action }) => action === "resume-source")) {
      const state = targetState(endsOf(pair).target, record);
      expect(["absent", "forgot"]).toContain(state);
    }
  });

  it("resumes the target only when the source does not have the guest", () => {
    for (const pair of pairs.filter(({ action }) => action === "resume-target")) {
      const state = sourceState(endsOf(pair).source, record);
      expect(["running", "standing", "migrating"]).not.toContain(state);
    }
  });
});

/** One way back over drawn observations, in which nothing is remembered but the tries. */
function wayBack(random: () => number): ReconcileAction[] {
  const draw = (from: Record<string, Observed>): Observed =>
    Object.values(from)[Math.floor(random() * Object.keys(from).length)] ?? "unreachable";
  const tries: Partial<Record<UndoAction, { count: number; lastError: string }>> = {};
  const actions: ReconcileAction[] = [];
  let ends = { source: draw(sources), target: draw(targets) };
  for (let turn = 1; turn <= TURNS_MAX + 5; turn += 1) {
    // Most answers repeat, so that one action is tried again and again.
    if (random() < 0.3) ends = { source: draw(sources), target: draw(targets) };
    const { action } = reconcile({ ...first, ...ends, turn, tries });
    actions.push(action);
    if (["complete", "end", "lost", "freeze"].includes(action)) return actions;
    const undo = undoActions.find((one) => one === action);
    if (undo !== undefined) {
      tries[undo] = { count: (tries[undo]?.count ?? 0) + 1, lastError: "refused" };
    }
  }
  return actions;
}

/** A generator that a run repeats: mulberry32. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
