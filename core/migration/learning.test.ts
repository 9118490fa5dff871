import { describe, expect, it } from "vitest";
import { expectedLoadMs, Learned, learn, loadTime, NOTHING_LEARNED } from "./learning.ts";

describe("what a VM's migrations teach", () => {
  it("is nothing before the first", () => {
    expect(expectedLoadMs(NOTHING_LEARNED)).toBeUndefined();
  });

  it("is the longest load time of the last eight", () => {
    let learned = NOTHING_LEARNED;
    for (const loadMs of [900, 1, 2, 3, 4, 5, 6, 7]) learned = learn(learned, loadMs);
    expect(expectedLoadMs(learned)).toBe(900);
    learned = learn(learned, 8);
    expect(expectedLoadMs(learned)).toBe(8);
    expect(learned.moves).toBe(9);
    expect(Learned.parse(learned)).toEqual(learned);
  });
});

it.each([
  ["the downtime less the transfer", 300, 10_000_000, 100_000_000, 200],
  ["all of it when nothing was sent", 300, 0, 100_000_000, 300],
  ["all of it when no bandwidth is known", 300, 10_000_000, 0, 300],
  ["never negative", 50, 10_000_000, 100_000_000, 0],
  ["whole milliseconds", 300, 1_234, 1_000_000, 299],
])("the load time is %s", (_, downtimeMs, downtimeBytes, bandwidthBytesPerSecond, loadMs) => {
  expect(loadTime({ downtimeMs, downtimeBytes, bandwidthBytesPerSecond })).toBe(loadMs);
});
