import { expect, test } from "vitest";
import {
  type LastSent,
  nextSent,
  nextStall,
  restartStall,
  StallRule,
  type StallState,
} from "./stall.ts";

const rule = StallRule.parse({});
const MIB = 2 ** 20;
const BANDWIDTH = 100 * MIB;

/** One pass every `everyS` seconds; `left`: remaining data at its beginning, MiB. */
function play(left: number[], everyS: number, first = 2): (StallState | undefined)[] {
  let state: StallState | undefined;
  return left.map((mib, index) => {
    state = nextStall(
      state,
      {
        atMs: index * everyS * 1000,
        passes: first + index,
        remainingBytes: mib * MIB,
        bandwidthBytesPerSecond: BANDWIDTH,
      },
      rule,
    );
    return state;
  });
}

const firstStall = (states: (StallState | undefined)[]) => states.findIndex((s) => s?.stalled);

test.each([
  { what: "the same amount is left at each pass", left: Array(12).fill(500), everyS: 10, at: 4 },
  { what: "more is left at each pass", left: [100, 200, 300, 400, 500, 600], everyS: 10, at: 4 },
  {
    what: "3 % less is left: within the margin",
    left: [100, 97, 97, 97, 97, 97],
    everyS: 10,
    at: 4,
  },
  {
    what: "a third less is left at each pass",
    left: [900, 600, 400, 266, 177],
    everyS: 30,
    at: -1,
  },
  {
    what: "passes are longer than the window: two without progress",
    left: [500, 500, 500],
    everyS: 300,
    at: 2,
  },
  { what: "one long pass without progress is not enough", left: [500, 500], everyS: 300, at: -1 },
  {
    what: "it decreases and then stops",
    left: [900, 300, 100, ...Array(14).fill(100)],
    everyS: 10,
    at: 15,
  },
])("$what: stalled at pass $at", ({ left, everyS, at }) => {
  expect(firstStall(play(left, everyS))).toBe(at);
});

test("the first pass is not judged", () => {
  expect(play([500], 10, 1)).toEqual([undefined]);
});

test("a pass is judged once, by its first sample", () => {
  const [state] = play([500], 10);
  const later = { atMs: 90_000, passes: 2, remainingBytes: 1, bandwidthBytesPerSecond: BANDWIDTH };
  expect(nextStall(state, later, rule)).toBe(state);
});

test("a sample without bandwidth is ignored", () => {
  const sample = { atMs: 0, passes: 3, remainingBytes: MIB, bandwidthBytesPerSecond: 0 };
  expect(nextStall(undefined, sample, rule)).toBeUndefined();
});

test("the moving average weighs the newest figure with 0.4", () => {
  const [, second] = play([1000, 500], 10);
  expect(second?.impliedMs).toBeCloseTo(0.4 * 5_000 + 0.6 * 10_000);
});

test("after a rung the migration has a whole window again", () => {
  const states = play(Array(5).fill(500), 10);
  const stalled = states.at(-1);
  if (stalled === undefined) throw new Error("Expected a state");
  expect(stalled.stalled).toBe(true);
  const restarted = restartStall(stalled, 40_000);
  const sample = (atMs: number, passes: number) => ({
    atMs,
    passes,
    remainingBytes: 500 * MIB,
    bandwidthBytesPerSecond: BANDWIDTH,
  });
  const almost = nextStall(restarted, sample(79_000, 7), rule);
  expect(almost?.stalled).toBe(false);
  expect(nextStall(almost, sample(80_000, 8), rule)?.stalled).toBe(true);
});

test("B6: silence counts from the last byte, unless nothing is left to send", () => {
  const samples = [
    { atMs: 0, transferredBytes: 10, remainingBytes: 5 },
    { atMs: 1_000, transferredBytes: 20, remainingBytes: 5 },
    { atMs: 2_000, transferredBytes: 20, remainingBytes: 5 },
    { atMs: 3_000, transferredBytes: 20, remainingBytes: 0 },
    { atMs: 4_000, transferredBytes: 20, remainingBytes: 5 },
  ];
  let sent: LastSent | undefined;
  const sinceMs = samples.map((sample) => {
    sent = nextSent(sent, sample);
    return sent.atMs;
  });
  expect(sinceMs).toEqual([0, 1_000, 1_000, 3_000, 3_000]);
});
