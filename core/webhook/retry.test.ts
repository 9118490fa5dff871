import { describe, expect, it } from "vitest";
import { pauseMs, retryAfterMs } from "./retry.ts";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const DAY_MS = 86_400_000;

describe("the pauses between tries of a delivery", () => {
  it("grow, and end after ten tries within four days", () => {
    const pauses = Array.from({ length: 9 }, (_, place) => pauseMs(place + 1, 0.5) ?? 0);
    expect(pauses).toEqual(pauses.toSorted((one, other) => one - other));
    expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBeLessThan(4 * DAY_MS);
    expect(pauseMs(10, 0.5)).toBeUndefined();
  });

  it.each([
    [1, 0, 0, 4_000],
    [1, 1, 0, 6_000],
    [1, 0.5, 120_000, 120_000],
    [2, 0.5, 1_000, 300_000],
    [1, 0.5, 9 * DAY_MS, DAY_MS],
  ])("after %d tries, drawn %d, asked for %d ms: %d ms", (tries, random, asked, expected) => {
    expect(pauseMs(tries, random, asked)).toBe(expected);
  });

  it.each([
    ["120", 120_000],
    ["Mon, 30 Nov 2026 12:01:00 GMT", 60_000],
    ["Mon, 30 Nov 2026 11:00:00 GMT", 0],
    ["soon", undefined],
    [undefined, undefined],
  ])("read Retry-After %j as %j ms", (value, expected) => {
    expect(retryAfterMs(value, NOW)).toBe(expected);
  });
});
