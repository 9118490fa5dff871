/** Assumed of a stream of which nothing better is known, B/s: 10 Gbit/s. */
export const STREAM_BYTES_PER_SECOND = 1.25e9;

/** The same, or the slower link on its way; undefined: nobody knows that link's speed. */
export function assumedRate(links: readonly (number | undefined)[]): number {
  return Math.min(STREAM_BYTES_PER_SECOND, ...links.map((link) => link ?? Infinity));
}
