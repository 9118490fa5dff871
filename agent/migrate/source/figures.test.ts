import { describe, expect, it } from "vitest";
import type { SourceInput } from "./state.ts";
import {
  ACK_OBSERVED,
  AT_MS,
  ATTACHED,
  ack,
  figures,
  GATED,
  PROGRESS_INTERVAL_MS,
  permit,
  play,
  status,
  stop,
} from "./testing/play.ts";

const MB = 1_000_000;
/** 100 ms of work are left in the second pass. */
const FITS = {
  dirtySyncCount: 2,
  bandwidthBytesPerSecond: 100 * MB,
  ramRemainingBytes: 10 * MB,
};
const TOO_MUCH = { ...FITS, ramRemainingBytes: 100 * MB };
const ALL_SENT = { ...FITS, ramRemainingBytes: 0, ramTransferredBytes: 1 };
const LINK = "> apply-link-bandwidth";

describe("figures of a source without a gate", () => {
  it("report convergence once", () => {
    const { trace } = play([figures(TOO_MUCH), figures(FITS), figures(FITS)]);
    expect(trace).toEqual([LINK, "> climb", "converged", LINK, "> climb", LINK, "> climb"]);
  });

  it("say nothing in the first pass", () => {
    expect(play([figures({ ...FITS, dirtySyncCount: 1 })]).trace).toEqual(["> climb"]);
  });

  it("lead to no climb while the ACK is awaited, nor once the guest is stopped", () => {
    expect(play([figures(TOO_MUCH)], ACK_OBSERVED).trace).toEqual([LINK]);
    expect(play([ack(2), figures(TOO_MUCH)], ACK_OBSERVED).trace).toEqual(["acked", LINK]);
    const acked = play([ack(0), figures(TOO_MUCH)], ACK_OBSERVED).trace;
    expect(acked).toEqual(["acked", "> stop-calming", LINK, "> climb"]);
    expect(play([stop, figures(TOO_MUCH)]).trace).toEqual([LINK]);
    const device = figures({ ...TOO_MUCH, status: "device" });
    expect(play([device]).trace).toEqual([LINK]);
  });

  it("keep the best rate for the time in which QEMU measures nothing", () => {
    const slow = figures({ bandwidthBytesPerSecond: 1 });
    expect(play([figures(FITS), slow]).state.bestBytesPerSecond).toBe(100 * MB);
    expect(play([figures({ bandwidthBytesPerSecond: 0 })]).state.bestBytesPerSecond).toBe(
      undefined,
    );
  });

  it("are judged by the limit that applies now", () => {
    const { trace } = play([figures(TOO_MUCH), figures(TOO_MUCH, { limitMs: 1_000 })]);
    expect(trace).toEqual([LINK, "> climb", "converged", LINK, "> climb"]);
  });
});

describe("passes without an end", () => {
  const passes: SourceInput = { type: "passes", count: 100 };

  it("are calmed while an observed ACK or a gate holds the switchover", () => {
    expect(play([passes]).actions).toEqual([]);
    const calm = { type: "calm-passes", count: 100, bestBytesPerSecond: undefined };
    expect(play([passes], ACK_OBSERVED).actions).toEqual([calm]);
    expect(play([passes], { ...ATTACHED, gate: "holding" }).actions).toEqual([calm]);
    expect(play([passes], { ...ATTACHED, gate: "opened" }).actions).toEqual([]);
  });

  it("are calmed on behind a gate after the ACK", () => {
    expect(play([ack(0)], GATED).trace).toEqual(["acked"]);
    expect(play([ack(0)], ACK_OBSERVED).trace).toEqual(["acked", "> stop-calming"]);
  });
});

describe("a source with a gate", () => {
  it("is held when converged, acknowledged and settled", () => {
    const inputs = [ack(0), figures(FITS), figures(FITS)];
    expect(play(inputs, GATED).trace).toEqual(["acked", "converged", "held", LINK, LINK]);
  });

  it.each([
    ["not acknowledged", [figures(FITS)], GATED],
    ["not converged", [ack(0), figures(TOO_MUCH)], GATED],
    ["not settled", [ack(0), figures(FITS, { isGateSettled: false })], GATED],
    ["not holding", [ack(0), figures(FITS)], ACK_OBSERVED],
  ])("is not held while it is %s", (_, inputs, from) => {
    expect(play(inputs, from).trace).not.toContain("held");
  });

  it("does not wait for an ACK that nobody can see", () => {
    const { trace } = play([figures(FITS)], { ...ATTACHED, gate: "holding" });
    expect(trace).toEqual(["converged", "held", LINK]);
  });

  it("is calmed when all is sent, with or without passes", () => {
    const calm = { type: "calm-hold", bestBytesPerSecond: 100 * MB };
    expect(play([figures(ALL_SENT)], GATED).actions).toContainEqual(calm);
    const nothing = { ...ALL_SENT, ramTransferredBytes: 0 };
    expect(play([figures(nothing)], GATED).trace).not.toContain("> calm-hold");
    expect(play([figures(FITS)], GATED).trace).not.toContain("> calm-hold");
    expect(play([figures(ALL_SENT)], ACK_OBSERVED).trace).not.toContain("> calm-hold");
  });

  it("opens once, whoever permits it", () => {
    const opened: SourceInput = { type: "gate-opened", by: "command" };
    const byTime: SourceInput = { type: "permit", by: "time" };
    const { trace, state } = play([permit, byTime, opened, permit], GATED);
    expect(trace).toEqual(["> open-gate", "gate-opened"]);
    expect(state.gate).toBe("opened");
  });

  it("holds on when QEMU refuses, and may be permitted again", () => {
    const { trace } = play([permit, { type: "gate-not-opened" }, permit], GATED);
    expect(trace).toEqual(["> open-gate", "> open-gate"]);
  });

  it("is not opened after the end, nor before it holds", () => {
    expect(play([status("failed"), permit], GATED).trace).toEqual(["> read-final-figures"]);
    const { trace } = play([permit, { type: "gate-held" }, permit]);
    expect(trace).toEqual(["> open-gate"]);
  });

  it("climbs no rung while it holds", () => {
    expect(play([ack(0), figures(TOO_MUCH)], GATED).trace).toEqual(["acked", LINK]);
  });
});

describe("progress of a source", () => {
  const taken = (atMs: number, name = "active"): SourceInput => ({
    type: "figures-taken",
    progress: { status: name },
    atMs,
  });
  const silence = (atMs: number): SourceInput => ({ type: "silence", atMs });
  const later = AT_MS + PROGRESS_INTERVAL_MS;

  it("is emitted once an interval", () => {
    const { trace } = play([taken(AT_MS), taken(later - 1), taken(later)]);
    expect(trace).toEqual(["progress", "progress"]);
  });

  it("is a sign of life after two intervals without figures", () => {
    const silent = AT_MS + 2 * PROGRESS_INTERVAL_MS;
    const { events } = play([taken(AT_MS), silence(silent - 1), silence(silent)]);
    expect(events.map(({ event }) => event)).toEqual([
      { type: "migration.progress", progress: { status: "active" } },
      { type: "migration.progress", progress: { status: "silent" } },
    ]);
  });

  it("is not emitted of an end", () => {
    for (const name of ["none", "completed", "failed", "cancelled"]) {
      expect(play([taken(AT_MS, name)]).trace).toEqual([]);
    }
    expect(play([status("failed"), silence(AT_MS)]).trace).toEqual(["> read-final-figures"]);
  });
});
