import { describe, expect, it } from "vitest";
import { halfwayEndMs, isHalfway, neededMs, noWork, remainingMs, workOfEnd } from "./eta.ts";

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

it.each([
  ["moved", 300, { donePlannedMs: 200, realMs: 300, predictedMs: 200, moves: 1 }],
  ["did not move", undefined, { donePlannedMs: 200, realMs: 0, predictedMs: 0, moves: 0 }],
])(
  "the end of a move that %s is done work; only a moved one teaches how long they take",
  (_, realMs, added) => {
    expect(workOfEnd({ predictedMs: 200, realMs })).toEqual(added);
  },
);

describe("the end that was predicted at half-way", () => {
  const end = (atMs: number, predictedMs = 100, realMs: number | undefined = predictedMs) => ({
    atMs,
    predictedMs,
    realMs,
  });

  it("is that of the first end by which half of the work was done, in whatever order they come", () => {
    const ends = [end(400), end(200), end(300), end(100)];
    expect(halfwayEndMs(400, ends)).toBe(400);
    // One after the other at half the speed: the error falls with what is learned.
    const slow = [end(200, 100, 200), end(400, 100, 200), end(600, 100, 200), end(800, 100, 200)];
    const seen = halfwayEndMs(400, slow) ?? 0;
    expect(seen).toBeGreaterThan(600);
    expect(seen).toBeLessThan(800);
  });

  it("is that of the end before the last one, or the plan's, where the last one did more than half", () => {
    expect(halfwayEndMs(500, [end(100), end(500, 400)])).toBe(500);
    expect(halfwayEndMs(500, [end(700, 500)])).toBe(500);
  });

  it("is known where nothing has moved, and not where nothing was planned", () => {
    expect(halfwayEndMs(200, [end(50, 100, undefined), end(90, 100, undefined)])).toBe(150);
    expect(halfwayEndMs(200, [])).toBeUndefined();
  });
});

it("a move needs what was predicted, or more, but never less", () => {
  const done = (realMs: number) => ({ realMs, predictedMs: 1_000, moves: 10 });
  expect(neededMs(100, done(1_000))).toBe(100);
  expect(neededMs(100, done(3_000))).toBeGreaterThan(150);
  expect(neededMs(100, done(500))).toBe(100);
});
