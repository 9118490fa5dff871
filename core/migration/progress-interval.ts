/** How long figures are emitted at the shortest interval. */
const OFTEN_MS = 20_000;
/** Afterwards: so many times as long, up to this. A missed heartbeat takes a minute to be noticed. */
const RARER = 8;
const RARELY_MS_MAX = 15_000;

/** The agent's default for the shortest interval, ms. */
export const PROGRESS_INTERVAL_MS = 2_000;

/**
 * How long after its last progress event a source's agent emits the next one, ms. Each costs the cloud
 * a request and some writes, and what changes in a long migration changes slowly.
 *
 * @param elapsedMs since the first of them
 */
export function progressIntervalAt(shortestMs: number, elapsedMs: number): number {
  if (elapsedMs < OFTEN_MS) return shortestMs;
  return Math.max(shortestMs, Math.min(shortestMs * RARER, RARELY_MS_MAX));
}
