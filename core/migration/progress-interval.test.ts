import { expect, it } from "vitest";
import { progressIntervalAt } from "./progress-interval.ts";

it.each([
  ["in the first 20 seconds", 2_000, 19_999, 2_000],
  ["after it", 2_000, 20_000, 15_000],
  ["a shorter one after it", 200, 20_000, 1_600],
  ["a longer one is never shortened", 30_000, 20_000, 30_000],
])("the interval of progress events: %s", (_, shortestMs, elapsedMs, expected) => {
  expect(progressIntervalAt(shortestMs, elapsedMs)).toBe(expected);
});
