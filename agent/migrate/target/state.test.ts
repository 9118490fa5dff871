import { describe, expect, it } from "vitest";
import { playFrom } from "../testing/play.ts";
import {
  INITIAL_TARGET_STATE,
  nextTargetState,
  type RunsAfter,
  type TargetInput,
} from "./state.ts";

const AT_MS = 1_000_000;

const status = (name: string): TargetInput => ({ type: "status", status: name });
const statuses = (...names: string[]) => names.map(status);
const arrived = (when: RunsAfter = "completed", runState = "running"): TargetInput => ({
  type: "arrived",
  runState,
  when,
  atMs: AT_MS,
});
const refused = (message: string): TargetInput => ({ type: "run-refused", message });
const exited: TargetInput = { type: "exited", lastWords: "killed" };
const error: TargetInput = { type: "error", errorDescription: "no such device" };
const closed: TargetInput = { type: "closed" };
const reattached: TargetInput = { type: "reattached", ranInPostcopy: true };
const observed = (
  name: string | undefined,
  rest: { runState?: string; isGranted?: boolean; before?: string } = {},
): TargetInput => ({
  type: "observed",
  runState: rest.runState ?? "paused",
  status: name,
  isGranted: rest.isGranted ?? false,
  runStateBefore: rest.before ?? "running",
  atMs: AT_MS,
});

function play(inputs: readonly TargetInput[]) {
  return playFrom(INITIAL_TARGET_STATE, inputs, nextTargetState);
}

type Row = readonly [name: string, inputs: readonly TargetInput[], follows: readonly string[]];

const RUNS = ["target-arrived", "> run-hook", "> note-arrived", "> end"];
const RUNS_IN_POSTCOPY = ["target-arrived", "> run-hook", "> note-arrived", "> note-postcopy"];
const FAILS = ["> read-error", "failed", "> run-hook", "> end"];
const EXITS = ["failed", "> run-hook", "> end"];

const SEQUENCES: readonly Row[] = [
  ["precopy", [...statuses("setup", "active", "completed"), arrived()], RUNS],
  ["precopy, 7.2: no status before active", [...statuses("active", "completed"), arrived()], RUNS],
  ["completed is not enough: the run grant is missing", statuses("setup", "completed"), []],
  [
    "postcopy, 10.2 and later",
    [
      ...statuses("setup", "active", "postcopy-device", "postcopy-active"),
      arrived("postcopy"),
      status("completed"),
    ],
    [...RUNS_IN_POSTCOPY, "> end"],
  ],
  [
    "postcopy, paused and recovered",
    [
      ...statuses("active", "postcopy-active"),
      arrived("postcopy"),
      ...statuses("postcopy-paused", "postcopy-recover", "postcopy-active", "completed"),
    ],
    [...RUNS_IN_POSTCOPY, "> end"],
  ],
  [
    "postcopy whose memory came before the guest ran",
    [...statuses("postcopy-active", "completed"), arrived("postcopy")],
    RUNS,
  ],
  [
    "a `cont` that is refused, with the same words and with others, then accepted",
    [status("completed"), refused("lock"), refused("lock"), refused("no space"), arrived()],
    ["run-refused", "run-refused", ...RUNS],
  ],
  ["a stream that fails", [...statuses("setup", "active", "failed"), error], FAILS],
  ["11.0 and later: `failing` is not final", [...statuses("failing", "failed"), error], FAILS],
  [
    "a stream that fails in postcopy",
    [arrived("postcopy"), status("failed"), error],
    [...RUNS_IN_POSTCOPY, ...FAILS],
  ],
  ["QEMU exits while it loads", [status("active"), exited], EXITS],
  ["QEMU exits when it has loaded", [status("completed"), exited], EXITS],
  ["QEMU exits in postcopy", [arrived("postcopy"), exited], [...RUNS_IN_POSTCOPY, ...EXITS]],
  ["a status that no release has", statuses("setup", "pre-anything"), []],
];

describe("a target follows QEMU", () => {
  it.each(SEQUENCES)("%s", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });
});

const DISORDER: readonly Row[] = [
  ["running twice", [status("completed"), arrived(), arrived()], RUNS],
  ["completed after the end", [status("completed"), arrived(), status("completed")], RUNS],
  ["failed after everything was loaded", [...statuses("completed", "failed"), arrived()], RUNS],
  ["failed after the guest has run", [status("completed"), arrived(), status("failed")], RUNS],
  ["failed twice", [...statuses("failed", "failed"), error], FAILS],
  ["QEMU exits while the error is read", [status("failed"), exited, error], FAILS],
  ["a refusal after the guest has run", [status("completed"), arrived(), refused("late")], RUNS],
  ["QEMU exits after the guest has run", [status("completed"), arrived(), exited], RUNS],
  ["a guest that runs after the failure", [status("failed"), arrived()], ["> read-error"]],
  ["all inputs after the agent has detached", [closed, status("failed"), arrived(), exited], []],
  ["an observation after the agent has detached", [closed, observed("failed")], []],
  ["a run grant seen after the end", [closed, observed("active", { isGranted: true })], []],
];

describe("a target tolerates", () => {
  it.each(DISORDER)("%s", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });
});

const OBSERVATIONS: readonly Row[] = [
  ["nothing of importance", [observed(undefined), observed("active")], []],
  ["a guest that is loaded, then runs", [observed("completed"), arrived()], RUNS],
  ["a guest that runs", [observed("completed", { runState: "running", isGranted: true })], RUNS],
  [
    "a guest that runs in postcopy",
    [observed("postcopy-active", { runState: "running", isGranted: true }), status("completed")],
    [...RUNS_IN_POSTCOPY, "> end"],
  ],
  ["a run grant that was not carried out", [observed("completed", { isGranted: true })], ["> run"]],
  [
    "a run grant in postcopy that was not carried out",
    [observed("postcopy-active", { isGranted: true })],
    ["> run"],
  ],
  [
    "a guest that was paused before and has arrived so: it is not run",
    [observed("completed", { isGranted: true, before: "paused" })],
    RUNS,
  ],
  [
    "a guest that is suspended as before",
    [observed("completed", { runState: "suspended", isGranted: true, before: "suspended" })],
    RUNS,
  ],
  [
    "a sleeping guest whose `cont` was not sent",
    [observed("completed", { isGranted: true, before: "suspended" })],
    ["> run"],
  ],
  ["a paused guest without a grant", [observed("completed", { before: "paused" })], []],
  ["a failure", [observed("failed"), error], FAILS],
  ["the end of postcopy", [reattached, observed("completed", { runState: "running" })], ["> end"]],
  [
    "postcopy that goes on, its guest reported before",
    [reattached, observed("postcopy-active", { runState: "running", isGranted: true })],
    [],
  ],
];

describe("a target finds by a query", () => {
  it.each(OBSERVATIONS)("%s", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });
});

describe("a target", () => {
  it("keeps QEMU's time of the resume, and the link for a source that waits for the answer", () => {
    const { events, actions } = play([status("completed"), arrived()]);
    expect(events).toEqual([
      { event: { type: "migration.target-arrived", runState: "running" }, atMs: AT_MS },
    ]);
    expect(actions.at(-1)).toEqual({ type: "end", linkMs: 60_000 });
  });

  it("runs a granted guest after what its QEMU has of it", () => {
    const granted = { isGranted: true };
    expect(play([observed("postcopy-paused", granted)]).actions).toEqual([
      { type: "run", when: "postcopy", runState: "running" },
    ]);
    expect(play([observed("active", granted)]).actions).toEqual([
      { type: "run", when: "completed", runState: "running" },
    ]);
  });

  it("reports QEMU's error, or its last words, and closes the link at once", () => {
    const failed = { type: "migration.failed", side: "target" };
    const { events, actions } = play([status("failed"), error]);
    expect(events).toEqual([
      { event: { ...failed, status: "failed", errorDescription: "no such device" } },
    ]);
    expect(actions.at(-1)).toEqual({ type: "end", linkMs: 0 });
    expect(play([exited]).events).toEqual([
      { event: { ...failed, status: "exited", errorDescription: "killed" } },
    ]);
  });

  it("keeps the last refusal until the guest has arrived, and reports ten at the most", () => {
    const many = Array.from({ length: 12 }, (_, i) => refused(`attempt ${i}`));
    const { state, events } = play([status("completed"), ...many]);
    expect(events).toHaveLength(10);
    expect(state.refusal).toEqual({ message: "attempt 11", events: 10 });
    expect(play([status("completed"), ...many, arrived()]).state.refusal).toBe(undefined);
  });

  it("reports the run state in which the guest was seen", () => {
    const { events } = play([status("completed"), arrived("completed", "suspended")]);
    expect(events[0]?.event).toMatchObject({ runState: "suspended" });
  });

  it("reports no more than an event may hold", () => {
    const long = play([status("failed"), { type: "error", errorDescription: "x".repeat(5_000) }]);
    expect(long.events[0]?.event).toMatchObject({ errorDescription: "x".repeat(4_000) });
  });
});
