import { expect, it } from "vitest";
import { poolOf, slotsOf } from "./slots.ts";

it.each([
  [10, 25, 1],
  [25, 25, 1],
  [25, 12.5, 2],
  [25, 8, 3],
  [1.2, 0.4, 3],
  [0.3, 0.1, 3],
  [100, 25, 4],
  [24.999, 25, 1],
])("a link of %d and streams of %d Gbit/s have %i slots", (link, stream, slots) => {
  expect(slotsOf(link, stream)).toBe(slots);
  expect(slots * Math.min(stream, link)).toBeLessThanOrEqual(link * (1 + 1e-9));
});

it("prepares a few more than the slots, or as many as was asked for", () => {
  expect([1, 3].map((slots) => poolOf(slots, undefined))).toEqual([5, 11]);
  expect(poolOf(1, 10)).toBe(10);
});
