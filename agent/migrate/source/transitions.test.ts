import { describe, expect, it } from "vitest";
import type { SourceInput } from "./state.ts";
import {
  ACK_OBSERVED,
  AT_MS,
  ATTACHED,
  ack,
  cancel,
  deadline,
  detached,
  exited,
  figures,
  final,
  permit,
  play,
  resume,
  runStateRead,
  started,
  status,
  stop,
} from "./testing/play.ts";

type Row = readonly [name: string, inputs: readonly SourceInput[], follows: readonly string[]];

const statuses = (...names: string[]) => names.map(status);

const COMPLETED = ["> hand-over", "> read-final-figures", "source-completed", "> end"];
const FAILED = ["> read-final-figures", "failed", "> end"];

/** QEMU's sequences by release (docs/internals/qemu-facts.md, "States" and "Event order"). */
const SEQUENCES: readonly Row[] = [
  [
    "7.2, precopy: no status `device` without a pause",
    [started, ...statuses("setup", "active"), stop, status("completed"), final()],
    ["started", "stopped", ...COMPLETED],
  ],
  [
    "10.0 and 11.1, precopy with or without a return path",
    [started, ...statuses("setup", "active"), stop, ...statuses("device", "completed"), final()],
    ["started", "stopped", ...COMPLETED],
  ],
  [
    "a failover device is unplugged first",
    [...statuses("setup", "wait-unplug", "active"), stop, status("completed"), final()],
    ["stopped", ...COMPLETED],
  ],
  [
    "with pause-before-switchover",
    [
      ...statuses("setup", "active"),
      stop,
      ...statuses("pre-switchover", "device", "completed"),
      final(),
    ],
    ["stopped", "> continue", ...COMPLETED],
  ],
  [
    "with the ACK traced before the stop",
    [...statuses("setup", "active"), ack(0), stop, ...statuses("device", "completed"), final()],
    ["acked", "> stop-calming", "stopped", ...COMPLETED],
  ],
  [
    "cancel in active",
    [status("active"), cancel("active"), ...statuses("cancelling", "cancelled"), final()],
    ["> cancel-qemu", ...FAILED],
  ],
  [
    "cancel in pre-switchover",
    [
      status("active"),
      stop,
      status("pre-switchover"),
      cancel("pre-switchover"),
      status("cancelling"),
      resume,
      status("cancelled"),
      final(),
    ],
    ["stopped", "> continue", "> cancel-qemu", ...FAILED],
  ],
  [
    "a cancel that ends in `failed` without `cancelling`",
    [status("active"), cancel("active"), status("failed"), final()],
    ["> cancel-qemu", ...FAILED],
  ],
  [
    "a cancel that comes too late",
    [status("active"), cancel("active"), stop, ...statuses("device", "completed"), final()],
    ["> cancel-qemu", "stopped", ...COMPLETED],
  ],
  ["target killed in active, up to 10.2", [status("active"), status("failed"), final()], FAILED],
  [
    "target killed in active, 11.0 and later: `failing` is not final",
    [status("active"), ...statuses("failing", "failed"), final()],
    FAILED,
  ],
  [
    "target killed in pre-switchover: no event follows, the figures repeat the status",
    [status("active"), stop, status("pre-switchover"), figures({ status: "pre-switchover" })],
    ["stopped", "> continue", "> continue"],
  ],
  [
    "target killed after migrate-continue, up to 10.2",
    [stop, ...statuses("pre-switchover", "device", "failed"), resume, final()],
    ["stopped", "> continue", ...FAILED],
  ],
  [
    "target killed after migrate-continue, 11.0 and later",
    [stop, ...statuses("pre-switchover", "device", "failing"), resume, status("failed"), final()],
    ["stopped", "> continue", ...FAILED],
  ],
  [
    "postcopy, 7.2: `postcopy-active` comes before STOP",
    [status("active"), status("postcopy-active"), stop, status("completed"), final()],
    ["postcopy", "> note-postcopy", "> hand-over", "stopped", ...COMPLETED],
  ],
  [
    "postcopy, 10.0",
    [status("active"), stop, ...statuses("device", "postcopy-active", "completed"), final()],
    ["stopped", "postcopy", "> note-postcopy", "> hand-over", ...COMPLETED],
  ],
  [
    "postcopy, 10.2 and later: only postcopy-active hands over, not postcopy-device",
    [
      stop,
      ...statuses("pre-switchover", "device", "postcopy-device"),
      ...statuses("postcopy-active", "completed"),
      final(),
    ],
    ["stopped", "> continue", "postcopy", "> note-postcopy", "> hand-over", ...COMPLETED],
  ],
  [
    "postcopy-device fails: the source resumes",
    [stop, ...statuses("device", "postcopy-device", "failing"), resume, status("failed"), final()],
    ["stopped", ...FAILED],
  ],
  [
    "a cut in postcopy and its recovery, 7.2",
    statuses("postcopy-active", "postcopy-paused", "postcopy-recover", "postcopy-active"),
    [
      "postcopy",
      "> note-postcopy",
      "> hand-over",
      "postcopy-paused",
      "> note-postcopy",
      "> note-postcopy",
    ],
  ],
  [
    "a cut in postcopy and its recovery, 9.1 and later",
    statuses(
      "postcopy-active",
      "postcopy-paused",
      "postcopy-recover-setup",
      "postcopy-recover",
      "postcopy-active",
    ),
    [
      "postcopy",
      "> note-postcopy",
      "> hand-over",
      "postcopy-paused",
      "> note-postcopy",
      "> note-postcopy",
    ],
  ],
  [
    "a status that no release has is in progress",
    [...statuses("setup", "pre-anything", "active", "COMPLETED"), stop],
    [],
  ],
  ["colo is in progress", statuses("active", "colo"), []],
  ["QEMU exits", [status("active"), exited], ["failed", "> end"]],
];

describe("a source follows QEMU", () => {
  it.each(SEQUENCES)("%s", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });
});

const RUNNING = [status("active"), stop, status("device")];

/** Inputs twice, late or out of order. */
const DISORDER: readonly Row[] = [
  ["STOP twice", [status("device"), stop, stop], ["stopped"]],
  ["STOP after the end", [status("failed"), stop], ["> read-final-figures"]],
  [
    "completed twice",
    [...RUNNING, ...statuses("completed", "completed"), final()],
    ["stopped", ...COMPLETED],
  ],
  [
    "completed seen by a query while its event is on its way",
    [
      ...RUNNING,
      figures({ status: "completed" }),
      status("completed"),
      runStateRead("postmigrate"),
    ],
    ["stopped", "> read-run-state", "> hand-over", "> read-final-figures"],
  ],
  ["failed after completed", statuses("completed", "failed"), COMPLETED.slice(0, 2)],
  ["completed after failed", statuses("failed", "completed"), FAILED.slice(0, 1)],
  ["cancelled, then failed", statuses("cancelled", "failed"), FAILED.slice(0, 1)],
  ["pre-switchover after the end", statuses("failed", "pre-switchover"), FAILED.slice(0, 1)],
  ["figures after the end", [status("failed"), figures({})], FAILED.slice(0, 1)],
  [
    "postcopy-active twice",
    statuses("postcopy-active", "postcopy-active"),
    ["postcopy", "> note-postcopy", "> hand-over"],
  ],
  [
    "QEMU exits while the end is read",
    [status("failed"), exited, final()],
    ["> read-final-figures", "failed", "> end"],
  ],
  ["QEMU exits after the agent has detached", [detached, exited], []],
  ["the figures come after the agent has detached", [detached, figures({})], []],
  [
    "the final figures come after the agent has detached",
    [status("completed"), detached, final()],
    COMPLETED.slice(0, 2),
  ],
  ["final figures that nobody has asked for", [final()], []],
  ["a permit without a gate", [permit], []],
  ["the deadline after the stop", [stop, status("device"), deadline], ["stopped"]],
  ["the deadline after the end", [status("failed"), deadline], FAILED.slice(0, 1)],
  ["a resume without a stop", [resume], []],
];

describe("a source tolerates", () => {
  it.each(DISORDER)("%s", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });
});

/** The status is asked for, so an end that was missed while the agent was away is found. */
const MISSED: readonly Row[] = [
  ["failed", [figures({ status: "failed" }), final()], FAILED],
  ["cancelled", [figures({ status: "cancelled" }), final()], FAILED],
  ["never begun", [figures({ status: "none" }), final()], FAILED],
  [
    "completed",
    [figures({ status: "completed" }), runStateRead("postmigrate"), final()],
    ["> read-run-state", ...COMPLETED],
  ],
  [
    "completed, by 7.2",
    [figures({ status: "completed" }), runStateRead("finish-migrate"), final()],
    ["> read-run-state", ...COMPLETED],
  ],
  [
    "completed by an earlier migration, whose guest was resumed",
    [figures({ status: "completed" }), runStateRead("running"), final()],
    ["> read-run-state", ...FAILED],
  ],
  ["pre-switchover", [figures({ status: "pre-switchover" })], ["> continue"]],
  [
    "postcopy-active",
    [figures({ status: "postcopy-active" })],
    ["postcopy", "> note-postcopy", "> hand-over"],
  ],
];

describe("a source finds by a query what it has missed", () => {
  it.each(MISSED)("%s", (_, inputs, follows) => {
    expect(play(inputs).trace).toEqual(follows);
  });
});

describe("the failure of a source", () => {
  const failed = (inputs: readonly SourceInput[]) =>
    play([...inputs, status("cancelled"), final({ "error-desc": "QEMU's own" })]).events.at(-1);

  it.each([
    ["QEMU's error", [], "QEMU's own"],
    ["the deadline", [deadline], "the precopy deadline has passed"],
    ["the hook", [deadline, { type: "hook-aborted", reason: "the hook" } as const], "the hook"],
  ])("has %s for a reason", (_, inputs, errorDescription) => {
    const event = { type: "migration.failed", side: "source", status: "cancelled" };
    expect(failed(inputs)?.event).toEqual({ ...event, errorDescription });
  });

  it("has a code when the ladder gave up, which comes before the deadline", () => {
    const gaveUp = { type: "ladder-gave-up", reason: "no rung left" } as const;
    expect(failed([gaveUp, deadline])?.event).toMatchObject({
      code: "no-convergence",
      errorDescription: "no rung left",
    });
    const aborted = { type: "hook-aborted", reason: "the hook" } as const;
    expect(failed([gaveUp, aborted])?.event).toMatchObject({ errorDescription: "the hook" });
    const before = {
      type: "attached",
      gate: "none",
      postcopy: undefined,
      runState: "running",
      standstill: undefined,
    } as const;
    expect(failed([{ ...before, ladderGaveUp: "in an earlier run" }])?.event).toMatchObject({
      code: "no-convergence",
      errorDescription: "in an earlier run",
    });
  });

  it("is no longer than an event may be", () => {
    const { events } = play([status("failed"), final({ "error-desc": "x".repeat(5_000) })]);
    expect(events[0]?.event).toMatchObject({ errorDescription: "x".repeat(4_000) });
  });

  it("of a migration whose earlier `completed` meant another one has the status `none`", () => {
    const { events } = play([figures({ status: "completed" }), runStateRead("running"), final()]);
    expect(events.at(-1)?.event).toMatchObject({ status: "none" });
  });
});

describe("a source", () => {
  it("keeps QEMU's time of each event", () => {
    const inputs = [ack(1), stop, status("postcopy-active"), status("completed"), final()];
    const { events } = play(inputs, ACK_OBSERVED);
    expect(events.map(({ atMs }) => atMs)).toEqual(events.map(() => AT_MS));
  });

  it("keeps why the guest stopped: QEMU's status then, and when it resumed", () => {
    const early = play([status("active"), stop, status("device")]);
    expect(early.state.stop).toEqual({ atMs: AT_MS, status: "active" });
    const { state } = play([...statuses("active", "pre-switchover"), stop, resume]);
    expect(state.stop).toEqual({ atMs: AT_MS, status: "pre-switchover", resumedAtMs: AT_MS });
  });

  it("emits a pause once, and keeps its number, over a restart of the agent too", () => {
    const cut = statuses("postcopy-active", "postcopy-paused", "postcopy-active");
    const { events, state } = play([...cut, ...statuses("postcopy-paused", "postcopy-paused")]);
    const pauses = events.flatMap(({ event }) =>
      event.type === "migration.postcopy-paused" ? [event.pause] : [],
    );
    expect(pauses).toEqual([1, 2]);
    const again = play([status("postcopy-paused")], { ...ATTACHED, postcopy: state.postcopy });
    expect(again.events[0]?.event).toMatchObject({ pause: 2 });
  });

  it("counts no pause while a recovery is under way", () => {
    const recovering = { type: "recovery", isUnderWay: true } as const;
    const inputs = [...statuses("postcopy-active", "postcopy-paused"), recovering];
    const before = play(inputs);
    expect(play([status("postcopy-paused")], before.state).trace).toEqual([]);
    const over = play([{ ...recovering, isUnderWay: false }], before.state);
    expect(play([status("postcopy-active")], over.state).trace).toEqual(["> note-postcopy"]);
  });

  it("cancels for its own reasons; only the hook's cancel may turn into going on", () => {
    expect(play([deadline]).actions).toEqual([{ type: "cancel", orContinue: false }]);
    const aborted = play([{ type: "hook-aborted", reason: "no" }]);
    expect(aborted.actions).toEqual([{ type: "cancel", orContinue: true }]);
  });

  it("judges a cancel by QEMU's status", () => {
    expect(play([cancel("none")]).trace).toEqual(["> end"]);
    expect(play([cancel("none")]).actions).toEqual([{ type: "end", status: "not-started" }]);
    expect(play([cancel("failed")]).trace).toEqual(["> poll"]);
    expect(play([cancel("pre-switchover")]).trace).toEqual(["> cancel-qemu"]);
  });

  it("that was not started ends without an event", () => {
    const { trace, state } = play([{ type: "not-started" }]);
    expect(trace).toEqual(["> end"]);
    expect(state.end).toMatchObject({ status: "not-started" });
  });
});
