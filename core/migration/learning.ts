import { z } from "zod";

/** Moves that are remembered per key. */
const REMEMBERED = 8;

/**
 * What earlier moves of one VM, or of one class of devices, took on top of what their bytes explain:
 * the time the target needed to load devices while the guest stood still. QEMU's own estimate leaves
 * it out. Learned apart for moves with and without the switchover ACK.
 */
export const Learned = z.strictObject({
  /** Newest last, ms. */
  loadMs: z.array(z.number().nonnegative()).max(REMEMBERED),
  moves: z.int().nonnegative(),
});
export type Learned = z.infer<typeof Learned>;

export const NOTHING_LEARNED: Learned = { loadMs: [], moves: 0 };

export function learn(before: Learned, loadMs: number): Learned {
  return { loadMs: [...before.loadMs, loadMs].slice(-REMEMBERED), moves: before.moves + 1 };
}

/**
 * The part of a downtime that bytes do not explain, ms, never negative. `downtimeBytes` at the
 * bandwidth given is the rest.
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

/** What to expect: the longest that is remembered, since a budget is a promise. */
export function expectedLoadMs(learned: Learned): number | undefined {
  return learned.loadMs.length === 0 ? undefined : Math.max(...learned.loadMs);
}
