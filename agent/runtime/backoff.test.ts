import { expect, it } from "vitest";
import { Backoff, pause } from "./backoff.ts";

const limits = { firstMs: 100, maxMs: 1_000 };
const take = (backoff: Backoff, count: number) =>
  Array.from({ length: count }, () => backoff.next());

it("has pauses below a cap that doubles, up to the longest", () => {
  expect(take(new Backoff(limits, () => 0.9999), 6)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

it("has no pause below the first", () => {
  expect(take(new Backoff(limits, () => 0), 6)).toEqual([100, 100, 100, 100, 100, 100]);
});

it("has different pauses on different hosts", () => {
  const values = take(new Backoff(limits), 50);
  expect(new Set(values).size).toBeGreaterThan(10);
  expect(Math.max(...values)).toBeLessThanOrEqual(1_000);
});

it("starts again after a success", () => {
  const backoff = new Backoff(limits, () => 0.9999);
  take(backoff, 3);
  backoff.reset();
  expect(take(backoff, 2)).toEqual([100, 200]);
});

it("a pause ends when its signal aborts, also if that was before", async () => {
  const controller = new AbortController();
  const paused = pause(600_000, controller.signal);
  controller.abort();
  await paused;
  await pause(600_000, controller.signal);
});
