import { expect, it } from "vitest";
import { startsInMs } from "./queue.ts";

it.each([
  ["a slot is free", { slots: 2, endsInMs: [9], aheadMs: [] }, 0],
  ["all are taken: the first to end", { slots: 2, endsInMs: [9, 5], aheadMs: [] }, 5],
  ["one is before it", { slots: 1, endsInMs: [5], aheadMs: [7] }, 12],
  ["the second slot is faster", { slots: 2, endsInMs: [5, 9], aheadMs: [7] }, 9],
  ["free slots go to those before it", { slots: 2, endsInMs: [9], aheadMs: [3, 4] }, 7],
  ["there are fewer slots than before", { slots: 1, endsInMs: [5, 9], aheadMs: [] }, 9],
])("a turn is expected when %s", (_, use, ms) => {
  expect(startsInMs(use)).toBe(ms);
});
