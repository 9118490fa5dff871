import { z } from "zod";

/** When a migration counts as stalled. KubeVirt's figures are the defaults. */
export const StallRule = z.strictObject({
  /** Without progress for this long it has stalled, ms. */
  windowMs: z.int().min(1_000).max(3_600_000).default(40_000),
  /** What is left must become less by this much to count as progress, per cent. */
  marginPercent: z.number().min(0).max(50).default(4),
  /** Weight of the newest figure in the moving average, 0 < weight <= 1. */
  smoothing: z.number().min(0.05).max(1).default(0.4),
});
export type StallRule = z.infer<typeof StallRule>;

export type StallSample = {
  atMs: number;
  /** Dirty syncs so far. */
  passes: number;
  remainingBytes: number;
  bandwidthBytesPerSecond: number;
};

export type StallState = {
  /** Moving average of remaining / bandwidth: the downtime that stopping now would cost, ms. */
  impliedMs: number;
  /** The least of it since the last progress, and when that was. */
  leastMs: number;
  progressAtMs: number;
  /** Passes judged since then that brought nothing. */
  vainPasses: number;
  /** The pass last judged. */
  passes: number;
  stalled: boolean;
};

/** The first pass copies everything once: it tells nothing of convergence. */
const FIRST_JUDGED_PASS = 2;
/** One pass may be unlucky, and a long one takes longer than the window. */
const VAIN_PASSES_MIN = 2;

/**
 * Takes one more sample in. A pass is judged once, by what was left when it was first seen: within a
 * pass what is left always falls, so only passes can be compared with one another.
 */
export function nextStall(
  before: StallState | undefined,
  sample: StallSample,
  rule: StallRule,
): StallState | undefined {
  const { atMs, passes, remainingBytes, bandwidthBytesPerSecond } = sample;
  if (passes < FIRST_JUDGED_PASS || bandwidthBytesPerSecond <= 0) return before;
  const nowMs = (remainingBytes / bandwidthBytesPerSecond) * 1000;
  if (before === undefined) return fresh(nowMs, atMs, passes);
  if (passes <= before.passes) return before;
  const impliedMs = rule.smoothing * nowMs + (1 - rule.smoothing) * before.impliedMs;
  if (impliedMs < before.leastMs * (1 - rule.marginPercent / 100)) {
    return fresh(impliedMs, atMs, passes);
  }
  const vainPasses = before.vainPasses + 1;
  const isLong = atMs - before.progressAtMs >= rule.windowMs;
  const stalled = isLong && vainPasses >= VAIN_PASSES_MIN;
  return { ...before, impliedMs, vainPasses, passes, stalled };
}

/** After something was done about a stall: it gets a window of its own to show its effect. */
export function restartStall(state: StallState, atMs: number): StallState {
  return fresh(state.impliedMs, atMs, state.passes);
}

function fresh(impliedMs: number, atMs: number, passes: number): StallState {
  return {
    impliedMs,
    leastMs: impliedMs,
    progressAtMs: atMs,
    vainPasses: 0,
    passes,
    stalled: false,
  };
}
