import * as z from "zod";

/** Load times that are kept for each key. */
const LOAD_TIMES_MAX = 8;

/**
 * Load times of earlier migrations of one VM, or of one class of devices: the part of the downtime in
 * which the target loaded devices. QEMU's own estimate does not contain it. Migrations with and
 * without the switchover ACK have separate entries.
 */
export const Learned = z.strictObject({
  /** Newest last, ms. */
  loadMs: z.array(z.number().nonnegative()).max(LOAD_TIMES_MAX),
  /** Migrations that were learned from, also those whose load times are no longer kept. */
  moves: z.int().nonnegative(),
});
export type Learned = z.infer<typeof Learned>;

export const NOTHING_LEARNED: Learned = { loadMs: [], moves: 0 };

/** Adds the load time of one more migration, ms. */
export function learn(before: Learned, loadMs: number): Learned {
  return { loadMs: [...before.loadMs, loadMs].slice(-LOAD_TIMES_MAX), moves: before.moves + 1 };
}

/**
 * The load time, ms: the downtime less the transfer of `downtimeBytes` at the given bandwidth; never
 * negative.
 */
export function loadTime(move: {
  downtimeMs: number;
  downtimeBytes: number;
  bandwidthBytesPerSecond: number;
}): number {
  const { downtimeMs, downtimeBytes, bandwidthBytesPerSecond } = move;
  const transferMs =
    bandwidthBytesPerSecond > 0 ? (downtimeBytes / bandwidthBytesPerSecond) * 1000 : 0;
  return Math.max(0, Math.round(downtimeMs - transferMs));
}

/** The load time to expect, ms: the longest that is kept, since a budget is a promise. */
export function expectedLoadMs(learned: Learned): number | undefined {
  return learned.loadMs.length === 0 ? undefined : Math.max(...learned.loadMs);
}
