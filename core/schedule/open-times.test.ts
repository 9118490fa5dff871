import { describe, expect, it } from "vitest";
import { ChangeFreeze } from "./change-freeze.ts";
import { isTimeFor, nextOpenMs, openTimesOf, planWindows, timedPause } from "./open-times.ts";

const MINUTE_MS = 60_000;
const ms = (text: string) => Date.parse(`2026-06-${text}Z`);
const nightly = {
  starts: { cron: "0 22 * * *", zone: "UTC" },
  durationMs: 120 * MINUTE_MS,
  isPaused: false,
};
const freeze = (from: string, until: string) =>
  ChangeFreeze.parse({
    from: `2026-06-${from}`,
    until: `2026-06-${until}`,
    zone: "UTC",
    owner: "ops",
  });
const short = (text: string | undefined) => text?.slice("2026-06-".length, -":00.000Z".length);
const times = (of: Parameters<typeof openTimesOf>[0]) =>
  openTimesOf(of)
    ?.slice(0, 2)
    .map(({ from, until }) => [short(from), short(until)]);

describe("open times", () => {
  it.each([
    ["in a window", "01T22:30", ["01T22:00", "02T00:00"]],
    ["at its start", "01T22:00", ["01T22:00", "02T00:00"]],
    ["at its end", "02T00:00", ["02T22:00", "03T00:00"]],
    ["before it", "01T21:59", ["01T22:00", "02T00:00"]],
  ])("of a schedule begin, %s, with the open window or the next one", (_, now, first) => {
    expect(times({ schedule: nightly, calendar: [], nowMs: ms(now) })?.[0]).toEqual(first);
  });

  it("of a paused schedule are the window that is open", () => {
    const schedule = { ...nightly, isPaused: true };
    expect(times({ schedule, calendar: [], nowMs: ms("01T22:30") })).toHaveLength(1);
    expect(times({ schedule, calendar: [], nowMs: ms("02T01:00") })).toEqual([]);
  });

  it("are less the change freezes", () => {
    const calendar = [freeze("01T23:00", "02T23:00")];
    expect(times({ schedule: nightly, calendar, nowMs: ms("01T22:30") })).toEqual([
      ["01T22:00", "01T23:00"],
      ["02T23:00", "03T00:00"],
    ]);
  });

  it("without a schedule are any time, or what the freezes leave", () => {
    expect(openTimesOf({ calendar: [], nowMs: ms("01T12:00") })).toBeUndefined();
    const over = [freeze("01T00:00", "01T06:00")];
    expect(openTimesOf({ calendar: over, nowMs: ms("01T12:00") })).toBeUndefined();
    const holds = [freeze("01T00:00", "01T18:00")];
    expect(times({ calendar: holds, nowMs: ms("01T12:00") })).toEqual([["01T18:00", undefined]]);
  });
});

describe("what is left of the open times", () => {
  const open = openTimesOf({ schedule: nightly, calendar: [], nowMs: ms("01T22:30") }) ?? [];

  it("is what the planner gets, from now on", () => {
    expect(planWindows(open, ms("01T22:30"))?.slice(0, 2)).toEqual([
      { startMs: 0, endMs: 90 * MINUTE_MS },
      { startMs: 23.5 * 60 * MINUTE_MS, endMs: 25.5 * 60 * MINUTE_MS },
    ]);
    // Of a freeze that lies far ahead: each window ends after it begins.
    const far = [{ from: "2900-01-01T00:00", until: "2900-01-02T00:00", zone: "UTC", owner: "a" }];
    const nowMs = ms("01T22:30");
    const windows = planWindows(openTimesOf({ calendar: far, nowMs }), nowMs);
    expect(windows).toHaveLength(2);
    expect(windows?.every(({ startMs, endMs }) => startMs < endMs)).toBe(true);
    expect(planWindows(undefined, 0)).toBeUndefined();
    expect(planWindows([], 0)).toBeUndefined();
  });

  it("must hold the whole move", () => {
    expect(isTimeFor(open, ms("01T23:30"), 30 * MINUTE_MS)).toBe(true);
    expect(isTimeFor(open, ms("01T23:30"), 31 * MINUTE_MS)).toBe(false);
    expect(isTimeFor([], ms("01T23:30"), 0)).toBe(false);
    expect(isTimeFor(undefined, ms("01T23:30"), 1e12)).toBe(true);
  });

  it("is told by the pause: when it goes on, or that a person is waited for", () => {
    const nowMs = ms("02T00:00");
    expect(timedPause(open, { nowMs, calendar: [], schedule: "sch_1" })).toEqual({
      reason: "window-end",
      author: "sch_1",
      endsWith: "it goes on by itself at 2026-06-02T22:00:00.000Z",
    });
    expect(timedPause([], { nowMs, calendar: [] }).endsWith).toContain("cancel it");
    const calendar = [freeze("01T23:00", "02T23:00")];
    expect(timedPause(open, { nowMs, calendar })).toMatchObject({
      reason: "freeze",
      message: "ops",
    });
    const before = openTimesOf({ schedule: nightly, calendar, nowMs: ms("01T22:30") }) ?? [];
    expect(timedPause(before, { nowMs: ms("01T22:50"), calendar }).reason).toBe("freeze");
    expect(nextOpenMs(open, nowMs)).toBe(ms("02T22:00"));
  });
});
