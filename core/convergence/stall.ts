import * as z from "zod";

/** When a migration counts as stalled. The defaults are those of KubeVirt. */
export const StallRule = z.strictObject({
  /** Longest time without progress, ms. */
  windowMs: z.int().min(1_000).max(3_600_000).default(40_000),
  /** Progress is a decrease of the remaining data by more than this, per cent. */
  marginPercent: z.number().min(0).max(50).default(4),
  /** Without a byte sent for this long the stream is silent, ms. */
  silenceMs: z.int().min(5_000).max(3_600_000).default(60_000),
  /** Weight of the newest figure in the moving average. */
  smoothing: z.number().min(0.05).max(1).default(0.4),
});
export type StallRule = z.infer<typeof StallRule>;

/** Figures at one moment of a migration. */
export type StallSample = {
  atMs: number;
  /** QEMU's `dirty-sync-count`. */
  passes: number;
  remainingBytes: number;
  bandwidthBytesPerSecond: number;
};

/** What is known after the samples so far. */
export type StallState = {
  /** Moving average of remaining data / bandwidth, ms: the downtime if the guest stopped now. */
  impliedMs: number;
  /** Its least value, and the time of that: the last progress. */
  leastMs: number;
  progressAtMs: number;
  /** Passes since then, none of them with progress. */
  idlePasses: number;
  /** The pass that was judged last. */
  passes: number;
  stalled: boolean;
};

/** What a stream has carried at one moment. */
export type StreamSample = {
  atMs: number;
  transferredBytes: number;
  remainingBytes: number;
};

/** The last sample in which bytes had been sent since the one before. */
export type LastSent = { atMs: number; transferredBytes: number };

/**
 * When bytes were last sent, after one more sample. A stream with nothing left to send is not silent:
 * a gate holds it.
 */
export function nextSent(before: LastSent | undefined, sample: StreamSample): LastSent {
  const { atMs, transferredBytes, remainingBytes } = sample;
  const isSame = before?.transferredBytes === transferredBytes && remainingBytes > 0;
  return before !== undefined && isSame ? before : { atMs, transferredBytes };
}

/** The first pass copies all memory once, so it shows nothing about convergence. */
const FIRST_JUDGED_PASS = 2;
/** One pass without progress may be chance, and a long one takes longer than the window. */
const IDLE_PASSES_MIN = 2;

/**
 * The state after one more sample. A pass is judged once, by its first sample: within a pass the
 * remaining data always decreases, so only passes can be compared with one another.
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
  const idlePasses = before.idlePasses + 1;
  const isLong = atMs - before.progressAtMs >= rule.windowMs;
  const stalled = isLong && idlePasses >= IDLE_PASSES_MIN;
  return { ...before, impliedMs, idlePasses, passes, stalled };
}

/** After a measure against a stall: it has a whole window to show its effect. */
export function restartStall(state: StallState, atMs: number): StallState {
  return fresh(state.impliedMs, atMs, state.passes);
}

function fresh(impliedMs: number, atMs: number, passes: number): StallState {
  return {
    impliedMs,
    leastMs: impliedMs,
    progressAtMs: atMs,
    idlePasses: 0,
    passes,
    stalled: false,
  };
}
