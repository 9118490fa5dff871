import { describe, expect, it } from "vitest";
import { ScheduleId } from "../id.ts";
import { planEvacuation } from "../plan/plan.ts";
import { fleet, GIB, options } from "../plan/testing/fleet.ts";
import { openSpans } from "./change-freeze.ts";
import {
  currentOccurrence,
  engineExpression,
  missedOccurrences,
  nextOccurrences,
  occurrenceAt,
  occurrenceKey,
  occurrenceView,
} from "./occurrences.ts";
import { ScheduleRequest } from "./schedule.ts";
import { cutOffMs, earliestStartMs, mayStart, windowFit } from "./window-fit.ts";

/**
 * Acceptance cases of schedules, by number, as far as no running system is needed; case 22 is in
 * start-times.test.ts, too. What a case calls by another name:
 */
const names = { windowTooShort: "window-too-short", spread: "spread" } as const;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const id = ScheduleId.parse("sch_01JE0000000000000000000000");

const ms = (text: string) => Date.parse(text);
const text = (at: number | undefined) => at && new Date(at).toISOString().replace(":00.000Z", "Z");
const times = (cron: string, hours: number, zone = "UTC") =>
  ScheduleRequest.parse({
    name: "test",
    starts: { cron, zone },
    durationMs: hours * HOUR_MS,
    hosts: { labels: { rack: "7" } },
  });

describe("case 3: windows", () => {
  const windows = [
    { startMs: 0, endMs: 25 },
    { startMs: 100, endMs: 125 },
  ];

  it.each([
    [20, 10, 100],
    [15, 10, 15],
    [110, 10, 110],
    [120, 10, undefined],
  ])("at %i what takes %i starts at %s", (now, needed, expected) => {
    expect(earliestStartMs(windows, now, needed)).toBe(expected);
  });
});

describe("case 14: the cut-off", () => {
  const window = { startMs: ms("2026-06-01T22:00Z"), endMs: ms("2026-06-01T23:00Z") };

  it("of a VM is the window's end less its own time, and exactly then it may start", () => {
    const needed = 15 * MINUTE_MS;
    expect(text(cutOffMs(window, needed))).toBe("2026-06-01T22:45Z");
    expect(mayStart([window], ms("2026-06-01T22:45:00Z"), needed)).toBe(true);
    expect(mayStart([window], ms("2026-06-01T22:45:00.001Z"), needed)).toBe(false);
    expect(mayStart([window], ms("2026-06-01T21:59:59Z"), needed)).toBe(false);
  });

  it("does not exist for what is longer than the window", () => {
    expect(cutOffMs(window, 70 * MINUTE_MS)).toBeUndefined();
    expect(earliestStartMs([window], window.startMs, 70 * MINUTE_MS)).toBeUndefined();
  });

  it("comes before a change freeze as before the window's end", () => {
    const freeze = {
      from: "2026-06-01T22:30",
      until: "2026-06-01T22:40",
      zone: "UTC",
      owner: "ops",
    };
    const open = openSpans(window, [freeze]);
    expect(open.map(({ startMs, endMs }) => [text(startMs), text(endMs)])).toEqual([
      ["2026-06-01T22:00Z", "2026-06-01T22:30Z"],
      ["2026-06-01T22:40Z", "2026-06-01T23:00Z"],
    ]);
    expect(mayStart(open, ms("2026-06-01T22:20Z"), 15 * MINUTE_MS)).toBe(false);
    expect(text(earliestStartMs(open, ms("2026-06-01T22:20Z"), 15 * MINUTE_MS))).toBe(
      "2026-06-01T22:40Z",
    );
  });
});

describe("decision 7: the window and the plan", () => {
  const judge = (windowMin: number, boundMin: number, etaMin: number, spread = false) =>
    windowFit(
      windowMin * MINUTE_MS,
      { lowerBoundMs: boundMin * MINUTE_MS, etaMs: etaMin * MINUTE_MS },
      { [names.spread]: spread },
    );

  it.each([
    ["refuses what no schedule could do", judge(60, 61, 65), [names.windowTooShort], 0],
    ["accepts that if it is spread, with a warning", judge(60, 61, 65, true), [], 1],
    ["accepts what fills it, with a warning", judge(60, 60, 60), [], 1],
    ["warns where the prediction is longer", judge(60, 50, 61), [], 1],
    ["is content otherwise", judge(60, 50, 59), [], 0],
  ])("%s", (_, { refusals, warnings }, codes, count) => {
    expect(refusals.map(({ code }) => code)).toEqual(codes);
    expect(warnings).toHaveLength(count);
  });

  it("says the figures and the cures", () => {
    expect(judge(60, 90, 95).refusals[0]).toEqual({
      code: names.windowTooShort,
      field: "durationMs",
      message: "It takes 90 min at least, and the window has 60 min",
      cure: "Give it a longer window, spread it over windows, or empty fewer hosts",
    });
    expect(judge(60, 90, 95, true).warnings[0]).toContain("2 windows or more");
  });

  it("holds for a plan", () => {
    const hosts = { a: { vms: { a1: 10, a2: 20 } }, b: {} };
    const found = planEvacuation(fleet(hosts), options(["a"]));
    const plan = { lowerBoundMs: found.lowerBoundMs, etaMs: found.eta.ms };
    expect(found.bytes).toBe(30 * GIB);
    expect(windowFit(29_999, plan, { spread: false }).refusals).toHaveLength(1);
    expect(windowFit(30_000, plan, { spread: false })).toMatchObject({ refusals: [] });
  });
});

describe("case 22: clock changes", () => {
  it("do not change how long a window is, and engines get the same instants in UTC", () => {
    const cairo = times("0 0 * * *", 2, "Africa/Cairo");
    const [, window] = nextOccurrences(cairo, ms("2026-04-22T00:00Z"), 3);
    expect([text(window?.startMs), text(window?.endMs)]).toEqual([
      "2026-04-23T22:00Z",
      "2026-04-24T00:00Z",
    ]);
    expect(engineExpression(window?.startMs ?? 0)).toBe("at(2026-04-23T22:00:00)");
    const berlin = times("0 20 * * SAT", 8, "Europe/Berlin");
    const [saturday] = nextOccurrences(berlin, ms("2026-10-24T00:00Z"), 1);
    if (saturday === undefined) throw new Error("Expected a Saturday");
    const view = occurrenceView(id, saturday, []);
    expect([view.startsAt, view.endsAt]).toEqual([
      "2026-10-24T18:00:00.000Z",
      "2026-10-25T02:00:00.000Z",
    ]);
    expect(text(cutOffMs(saturday, HOUR_MS))).toBe("2026-10-25T01:00Z");
  });

  it("bring two windows of a day together: the first ends when the second starts", () => {
    const whole = times("0 12 * * *", 24, "Europe/Berlin");
    const [day, next] = nextOccurrences(whole, ms("2026-03-28T00:00Z"), 2);
    expect([text(day?.startMs), text(day?.endMs)]).toEqual([
      "2026-03-28T11:00Z",
      "2026-03-29T10:00Z",
    ]);
    expect(text(next?.startMs)).toBe("2026-03-29T10:00Z");
    expect(currentOccurrence(whole, ms("2026-03-29T10:30Z"))).toEqual(next);
  });
});

describe("case 23: this window and the next one", () => {
  const nightly = times("0 22 * * *", 2);

  it("are told apart while one is open, and a second delivery has the same key", () => {
    const now = ms("2026-06-01T22:42Z");
    const current = currentOccurrence(nightly, now);
    expect([text(current?.startMs), text(current?.endMs)]).toEqual([
      "2026-06-01T22:00Z",
      "2026-06-02T00:00Z",
    ]);
    const [next] = nextOccurrences(nightly, now, 1);
    expect(text(next?.startMs)).toBe("2026-06-02T22:00Z");
    expect(occurrenceKey(id, current?.startMs ?? 0)).toBe(`${id}@2026-06-01T22:00:00.000Z`);
    expect(currentOccurrence(nightly, ms("2026-06-02T00:00Z"))).toBeUndefined();
  });

  it("end earlier once the duration was edited", () => {
    const edited = { ...nightly, durationMs: 30 * MINUTE_MS };
    const current = currentOccurrence(edited, ms("2026-06-01T22:20Z"));
    expect(text(current?.endMs)).toBe("2026-06-01T22:30Z");
    expect(current && mayStart([current], ms("2026-06-01T22:20Z"), 30 * MINUTE_MS)).toBe(false);
  });

  it("move with the start, and a start of the former version is none", () => {
    const edited = times("30 0 * * *", 2);
    const [next] = nextOccurrences(edited, ms("2026-06-01T21:30Z"), 1);
    expect(text(next?.startMs)).toBe("2026-06-02T00:30Z");
    expect(occurrenceAt(edited, ms("2026-06-01T22:00Z"))).toBeUndefined();
    expect(occurrenceAt(edited, ms("2026-06-02T00:30Z"))).toEqual(next);
  });
});

describe("case 42: missed occurrences", () => {
  const hourly = times("0 * * * *", 0.5);
  const handledMs = ms("2026-06-01T00:00Z");

  it("are one line, and a window that is still open is not missed", () => {
    const nowMs = ms("2026-11-01T00:10Z");
    const missed = missedOccurrences(hourly, { handledMs, nowMs });
    expect(missed).toMatchObject({ count: 3_671, isAtLeast: false });
    expect([text(missed?.firstMs), text(missed?.lastMs)]).toEqual([
      "2026-06-01T01:00Z",
      "2026-10-31T23:00Z",
    ]);
    const current = currentOccurrence(hourly, nowMs);
    expect(text(current?.endMs)).toBe("2026-11-01T00:30Z");
    expect(current && text(cutOffMs(current, 10 * MINUTE_MS))).toBe("2026-11-01T00:20Z");
    expect(text(nextOccurrences(hourly, nowMs, 1)[0]?.startMs)).toBe("2026-11-01T01:00Z");
  });

  it("include one that has just closed, and nothing runs before the next", () => {
    const nowMs = ms("2026-11-01T00:31Z");
    expect(missedOccurrences(hourly, { handledMs, nowMs })?.count).toBe(3_672);
    expect(currentOccurrence(hourly, nowMs)).toBeUndefined();
  });

  it("are counted up to a bound", () => {
    const often = { ...hourly, starts: { cron: "*/5 * * * *", zone: "UTC" }, durationMs: 300_000 };
    const missed = missedOccurrences(often, { handledMs, nowMs: ms("2027-11-01T00:00Z") });
    expect(missed).toMatchObject({ count: 10_000, isAtLeast: true });
  });

  it("are none where nothing was missed", () => {
    expect(
      missedOccurrences(hourly, { handledMs, nowMs: ms("2026-06-01T01:10Z") }),
    ).toBeUndefined();
  });
});
