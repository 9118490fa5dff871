/** A seeded source of integers below `limit` (mulberry32), so that a failing run can be repeated. */
export function createRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** Cuts bytes at random places into chunks of 1..`chunkBytesMax` bytes. */
export function cutRandomly(
  bytes: Buffer,
  random: (limit: number) => number,
  chunkBytesMax: number,
): Buffer[] {
  const chunks: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + 1 + random(chunkBytesMax);
    chunks.push(bytes.subarray(start, end));
    start = end;
  }
  return chunks;
}
