import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CronPattern, nextStart, StartTimes, shortestGapMs, startsBetween } from "./start-times.ts";
import { instantOf, wallAt } from "./zone.ts";

const HOUR_MS = 3_600_000;

function list(starts: object, from: string, max: number): string[] {
  const range = { fromMs: Date.parse(from), untilMs: Number.POSITIVE_INFINITY, max };
  return startsBetween(StartTimes.parse(starts), range).map((at) => new Date(at).toISOString());
}

const daily = (cron: string, zone: string, from: string, max: number) =>
  list({ cron, zone }, from, max).map((at) => at.slice(5, 16));

describe("starts around clock changes, acceptance case 22", () => {
  it.each([
    [
      "0 0 * * *",
      "Africa/Cairo",
      "2026-04-22T00:00Z",
      ["04-22T22:00", "04-23T22:00", "04-24T21:00"],
    ],
    ["30 23 * * *", "Africa/Cairo", "2026-10-29T00:00Z", ["10-29T20:30", "10-30T21:30"]],
    [
      "30 2 * * *",
      "Europe/Berlin",
      "2026-03-28T00:00Z",
      ["03-28T01:30", "03-29T01:00", "03-30T00:30"],
    ],
    [
      "30 2 * * *",
      "Europe/Berlin",
      "2026-10-24T00:00Z",
      ["10-24T00:30", "10-25T00:30", "10-26T01:30"],
    ],
    ["0 20 * * SAT", "Europe/Berlin", "2026-10-24T00:00Z", ["10-24T18:00", "10-31T19:00"]],
    [
      "0 0 * * *",
      "America/Santiago",
      "2026-09-05T03:00Z",
      ["09-05T04:00", "09-06T04:00", "09-07T03:00"],
    ],
    [
      "15 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-02T00:00Z",
      ["10-02T15:45", "10-03T15:30", "10-04T15:15"],
    ],
    // Times that occur twice count once whatever the pattern is, and equal instants are one start.
    [
      "15,45 2 * * *",
      "Europe/Berlin",
      "2026-10-24T23:30Z",
      ["10-25T00:15", "10-25T00:45", "10-26T01:15"],
    ],
    ["0 * * * *", "Europe/Berlin", "2026-10-24T23:30Z", ["10-25T00:00", "10-25T02:00"]],
    ["*/30 2-3 * * *", "Europe/Berlin", "2026-03-29T00:00Z", ["03-29T01:00", "03-29T01:30"]],
    [
      "0 12 * * *",
      "Pacific/Apia",
      "2011-12-29T00:00Z",
      ["12-29T22:00", "12-30T10:00", "12-30T22:00"],
    ],
  ])("%s in %s from %s", (cron, zone, from, expected) => {
    expect(daily(cron, zone, from, expected.length)).toEqual(expected);
  });

  it("of one time follow the same rule", () => {
    const one = { at: "2026-03-29T02:30", zone: "Europe/Berlin" };
    expect(list(one, "2026-01-01T00:00Z", 5)).toEqual(["2026-03-29T01:00:00.000Z"]);
    expect(list(one, "2026-03-29T01:00:00.001Z", 5)).toEqual([]);
  });
});

const zones = [
  "UTC",
  "Europe/Berlin",
  "Africa/Cairo",
  "Africa/Casablanca",
  "America/Santiago",
  "America/St_Johns",
  "Australia/Lord_Howe",
  "Asia/Kolkata",
  "Pacific/Chatham",
];
const instants = fc.integer({
  min: Date.parse("2020-01-01T00:00Z") / 60_000,
  max: Date.parse("2030-01-01T00:00Z") / 60_000,
});

describe("the clocks of a zone", () => {
  it("give each instant back, but for those that are shown for the second time", () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), instants, (zone, minutes) => {
        const atMs = minutes * 60_000;
        const back = instantOf(zone, wallAt(zone, atMs));
        expect(back).toBeLessThanOrEqual(atMs);
        expect(wallAt(zone, back)).toBe(wallAt(zone, atMs));
        expect(atMs - back).toBeLessThanOrEqual(HOUR_MS);
      }),
      { seed: 4_711, numRuns: 500 },
    );
  });

  it("never go back: a later time is no earlier instant", () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), instants, (zone, minutes) => {
        const wall = minutes * 60_000;
        const steps = [0, 10, 20, 30, 60, 90, 120].map((more) =>
          instantOf(zone, wall + more * 60_000),
        );
        expect(steps).toEqual(steps.toSorted((one, other) => one - other));
      }),
      { seed: 4_711, numRuns: 300 },
    );
  });

  it("have each day's start exactly once, for ten years in every zone", () => {
    for (const zone of zones) {
      const range = {
        fromMs: instantOf(zone, Date.parse("2026-01-01T00:00Z")),
        untilMs: instantOf(zone, Date.parse("2029-01-01T00:00Z")),
        max: 5_000,
      };
      const starts = startsBetween({ cron: "30 2 * * *", zone }, range);
      const days = new Set(starts.map((at) => Math.floor(wallAt(zone, at) / (24 * HOUR_MS))));
      expect([starts.length, days.size]).toEqual([1_096, 1_096]);
    }
  });
});

describe("a pattern", () => {
  it.each([
    ["0 22 * *", "expected five fields"],
    ["0 0 22 * * *", "expected five fields"],
    ["@daily", "expected five fields"],
    ["0 22 ? * *", "expected five fields"],
    ["0 25 * * *", "expected a cron pattern"],
    ["0 0 30 2 *", "expected a day that exists"],
    ["", "expected five fields"],
  ])("%s is refused: %s", (pattern, message) => {
    expect(CronPattern.safeParse(pattern).error?.issues[0]?.message).toContain(message);
  });

  it.each([
    ["0 22 * * SAT", 7 * 24],
    ["*/15 1-3 * * MON-FRI", 0.25],
    ["0 0 L * *", 28 * 24],
    ["0 0 * * TUE#2", 28 * 24],
  ])("%s has %s h between its starts at least", (cron, hours) => {
    const gapMs = shortestGapMs(StartTimes.parse({ cron, zone: "UTC" }));
    expect(gapMs).toBe(hours * HOUR_MS);
  });

  it("with both days takes either", () => {
    expect(daily("0 0 13 * FRI", "UTC", "2026-11-01T00:00Z", 3)).toEqual([
      "11-06T00:00",
      "11-13T00:00",
      "11-20T00:00",
    ]);
  });

  it.each(["Mars/Olympus", "+02:00", "", "CEST-2"])("of the zone %s is refused", (zone) => {
    expect(StartTimes.safeParse({ cron: "0 0 * * *", zone }).success).toBe(false);
  });

  it("has no start after its last one", () => {
    expect(
      nextStart({ at: "2026-01-01T00:00", zone: "UTC" }, Date.parse("2026-01-01T00:00Z")),
    ).toBe(undefined);
  });
});
