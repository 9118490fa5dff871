export type Random = {
  /** From 0 to below 1. */
  readonly next: () => number;
  /** Standard normal. */
  readonly normal: () => number;
  readonly pick: <T>(list: readonly [T, ...T[]]) => T;
  readonly between: (low: number, high: number) => number;
};

/** The same numbers for the same seed (Mulberry32, public domain by Tommy Ettinger). */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    // Box and Muller; 1 - next() is never 0.
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    pick: (list) => list[Math.floor(next() * list.length)] ?? list[0],
    between: (low, high) => low + (high - low) * next(),
  };
}
