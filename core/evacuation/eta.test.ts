import { describe, expect, it } from "vitest";
import { isHalfway, neededMs, noWork, remainingMs } from "./eta.ts";

const work = { ...noWork(), plannedMs: 1_000 };

describe("what an evacuation still takes", () => {
  it.each([
    ["nothing where nothing is planned", 500, noWork(), 0],
    ["all of it before the first move has ended", 500, work, 500],
    ["the share that is left", 500, { ...work, donePlannedMs: 400 }, 300],
    ["nothing when more is done than was planned", 500, { ...work, donePlannedMs: 2_000 }, 0],
  ])("%s", (_, plannedEndMs, done, expected) => {
    expect(remainingMs(plannedEndMs, done)).toBe(expected);
  });

  it("is more when moves have taken longer than predicted, and nearer to it with each move", () => {
    const twice = (moves: number) => ({
      ...work,
      donePlannedMs: 500,
      moves,
      predictedMs: 100 * moves,
      realMs: 200 * moves,
    });
    const few = remainingMs(500, twice(1));
    const many = remainingMs(500, twice(50));
    expect(few).toBeGreaterThan(250);
    expect(many).toBeGreaterThan(few);
    expect(many).toBeLessThan(500);
  });
});

it.each([
  [400, false],
  [500, true],
  [999, true],
  [1_000, false],
])("with %i of 1,000 ms of its work done it is half-way: %s", (donePlannedMs, expected) => {
  expect(isHalfway({ ...work, donePlannedMs })).toBe(expected);
});

it("a move needs what was predicted, or more, but never less", () => {
  const done = (realMs: number) => ({ realMs, predictedMs: 1_000, moves: 10 });
  expect(neededMs(100, done(1_000))).toBe(100);
  expect(neededMs(100, done(3_000))).toBeGreaterThan(150);
  expect(neededMs(100, done(500))).toBe(100);
});
