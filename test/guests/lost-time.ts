/** A tick of a guest: its own clock, and when the tick came to its peer. */
export type Tick = { readonly guestMs: number; readonly atMs: number };

/**
 * How long a guest's clock stood still between two groups of ticks, ms. A tick is late by its way
 * and by whatever keeps guest or peer busy, never early: so the smallest distance of the two clocks
 * in each group is the true one, but for the shortest way there is.
 */
export function lostMs(before: readonly Tick[], after: readonly Tick[]): number {
  return distance(after) - distance(before);
}

function distance(ticks: readonly Tick[]): number {
  if (ticks.length === 0) throw new Error("Expected ticks of the guest, got none");
  return Math.min(...ticks.map(({ atMs, guestMs }) => atMs - guestMs));
}
