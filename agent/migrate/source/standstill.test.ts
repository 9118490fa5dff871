import { describe, expect, it } from "vitest";
import type { SourceInput } from "./state.ts";
import {
  AT_MS,
  ATTACHED,
  answers,
  arrived,
  cancel,
  deadline,
  detached,
  exited,
  figures,
  final,
  play,
  resume,
  runState,
  silent,
  status,
  stop,
} from "./testing/play.ts";

type Row = readonly [name: string, inputs: readonly SourceInput[], follows: readonly string[]];

const statuses = (...names: string[]) => names.map(status);
const LATER_MS = AT_MS + 5_000;
const COMPLETED = ["> hand-over", "> read-final-figures", "source-completed", "> end"];

/** QEMU's orders by release (docs/internals/qemu-facts.md, "Event order"). */
const SWITCHOVERS: readonly Row[] = [
  ["`device` after STOP, 10.0 and 11.1", [status("active"), stop, status("device")], ["stopped"]],
  ["`device` in the figures", [stop, figures({ status: "device" })], ["stopped"]],
  ["`pre-switchover`", [stop, status("pre-switchover")], ["stopped", "> continue"]],
  [
    "`completed`, 7.2 without a pause",
    [status("active"), stop, status("completed"), final()],
    ["stopped", ...COMPLETED],
  ],
  ["the run state, 7.2", [status("active"), stop, runState("finish-migrate")], ["stopped"]],
  ["the run state after the end", [stop, runState("postmigrate")], ["stopped"]],
  [
    "`postcopy-active` before STOP, 7.2",
    [status("postcopy-active"), stop],
    ["postcopy", "> note-postcopy", "> hand-over", "stopped"],
  ],
  ["nothing: STOP is not judged", [status("active"), stop], []],
  ["`failed`: it was not judged", [stop, status("failed")], ["> read-final-figures"]],
];

describe("a STOP is the switchover's by", () => {
  it.each(SWITCHOVERS)("%s", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });
});

const NOTED = ["standstill", "> note-run-state"];

const STANDSTILLS: readonly Row[] = [
  [
    "an operator's `stop` and `cont`",
    [status("active"), stop, runState("paused"), resume, runState("running", LATER_MS)],
    [...NOTED, ...NOTED],
  ],
  ["an I/O error", [stop, runState("io-error")], NOTED],
  ["sleep, which emits no STOP", [runState("suspended")], NOTED],
  [
    "a panic, then its run state once more",
    [stop, runState("guest-panicked"), runState("guest-panicked")],
    NOTED,
  ],
  [
    "an error while an operator has paused it: one standstill",
    [stop, runState("paused"), runState("io-error")],
    [...NOTED, "> note-run-state"],
  ],
  ["`stop` and `cont` in one moment: none", [stop, resume, runState("running")], []],
  ["a QEMU that does not answer", [silent(AT_MS), answers(LATER_MS)], ["standstill", "standstill"]],
  [
    "an I/O error found when QEMU answers again",
    [silent(AT_MS), runState("io-error", LATER_MS), answers(LATER_MS)],
    ["standstill", "standstill", ...NOTED],
  ],
  [
    "a guest that is still paused when it moves",
    [stop, runState("paused"), ...statuses("device", "completed"), final()],
    [...NOTED, "standstill", ...COMPLETED],
  ],
  [
    "a cancel",
    [stop, runState("io-error"), cancel("active"), status("cancelled")],
    [...NOTED, "> cancel-qemu", "standstill", "> read-final-figures"],
  ],
  ["QEMU's end", [stop, runState("paused"), exited], [...NOTED, "standstill", "failed", "> end"]],
];

describe("a guest that is not running before the switchover: ", () => {
  it.each(STANDSTILLS)("%s", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });

  it("has been so since QEMU's STOP, and until RESUME", () => {
    const inputs = [stop, runState("paused", LATER_MS), runState("running", LATER_MS + 1)];
    const { events } = play(inputs);
    const event = { type: "migration.standstill", reason: "paused", sinceMs: AT_MS };
    expect(events.map((timed) => timed.event)).toEqual([
      event,
      { ...event, untilMs: LATER_MS + 1 },
    ]);
  });

  it("is no switchover: deadline, cancel and ladder go on working", () => {
    const standing = play([status("active"), stop, runState("io-error")]);
    expect(standing.state.stop).toBe(undefined);
    expect(play([deadline], standing.state).trace).toEqual(["> cancel"]);
    const stalled = figures({ ramRemainingBytes: 1 });
    expect(play([stalled], standing.state).trace).toEqual(["> climb"]);
    const again = play([resume, runState("running"), stop, status("device")], standing.state);
    expect(again.trace).toEqual([...NOTED, "stopped"]);
  });

  it("may be found so by a restarted agent, which ends the standstill of the earlier run", () => {
    const standstill = { reason: "paused", sinceMs: AT_MS };
    const before = { ...ATTACHED, runState: "paused", standstill };
    expect(play([runState("paused")], before).trace).toEqual([]);
    const { events } = play([runState("running", LATER_MS)], before);
    expect(events[0]?.event).toMatchObject({ ...standstill, untilMs: LATER_MS });
  });

  it("had not run before: no standstill", () => {
    const paused = { ...ATTACHED, runState: "paused" };
    expect(play([runState("io-error"), silent(AT_MS)], paused).trace).toEqual(["> note-run-state"]);
  });
});

describe("a deadline that passes before STOP is judged", () => {
  it.each([
    ["cancels after an operator's `stop`", [runState("paused")], [...NOTED, "> cancel"]],
    ["cancels after `cont`", [resume], ["> cancel"]],
    ["does not end the switchover", [status("device")], ["stopped"]],
  ])("%s", (_, inputs, follows) => {
    expect(play([stop, deadline, ...inputs]).trace).toEqual(follows);
  });
});

describe("a QEMU that is silent", () => {
  it.each([
    ["in the switchover", [stop, status("device"), silent(AT_MS)], ["stopped"]],
    ["after the end", [status("failed"), silent(AT_MS)], ["> read-final-figures"]],
    ["twice", [silent(AT_MS), silent(AT_MS)], ["standstill"]],
  ])("%s is no new standstill", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });

  it("after a STOP that turns out to be the switchover's was none: 7.2 does not answer then", () => {
    const { events } = play([stop, silent(AT_MS - 100), status("completed")]);
    const event = { type: "migration.standstill", reason: "silent", sinceMs: AT_MS };
    expect(events.slice(0, 2).map((timed) => timed.event)).toEqual([
      event,
      { ...event, untilMs: AT_MS },
    ]);
  });
});

describe("the handover of a source", () => {
  const moved = [status("active"), stop, ...statuses("device", "completed")];

  it("sends the run state before the switchover", () => {
    const handOver = { type: "hand-over", when: "completed" };
    expect(play(moved).actions).toContainEqual({ ...handOver, runState: "running" });
    const paused = [stop, runState("paused"), ...statuses("device", "completed")];
    expect(play(paused).actions).toContainEqual({ ...handOver, runState: "paused" });
    const asleep = [runState("suspended"), ...moved];
    expect(play(asleep).actions).toContainEqual({ ...handOver, runState: "suspended" });
  });

  it.each([
    ["at once", [...moved, arrived(AT_MS + 7), final()]],
    ["after the end", [...moved, final(), arrived(AT_MS + 7), arrived(LATER_MS)]],
  ])("is reported once, with the time from STOP by one clock: %s", (_, inputs) => {
    const { events, actions } = play(inputs);
    const reported = events.filter(({ event }) => event.type === "migration.handed-over");
    expect(reported).toEqual([
      { event: { type: "migration.handed-over", blackoutMs: 7 }, atMs: AT_MS + 7 },
    ]);
    expect(actions).toContainEqual({ type: "note-handed-over", atMs: AT_MS + 7 });
  });

  it("of a guest that did not run has no blackout", () => {
    const { events } = play([...statuses("device", "completed"), arrived()]);
    expect(events.at(-1)?.event).toEqual({ type: "migration.handed-over" });
  });

  it("is not reported by an agent that has detached", () => {
    expect(play([...moved, detached, arrived()]).trace).not.toContain("handed-over");
  });
});
