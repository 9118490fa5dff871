/** Repeatable pseudo-random numbers. */
export type Random = {
  /** A number in [0, 1). */
  next(): number;
  /** True in a share of `probability` (0..1) of all calls. */
  chance(probability: number): boolean;
};

/** The same `seed` (a 32-bit integer) gives the same numbers (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return { next, chance: (probability) => next() < probability };
}
