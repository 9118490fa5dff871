const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Pauses between two tries, ms: ten tries within three days and a half. */
const pausesMs = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const;
/** Part by which a pause may be longer or shorter. */
const JITTER = 0.2;
const WAIT_MS_MAX = 24 * HOUR;

/** After so long without a delivery that arrives a webhook is disabled, ms. */
export const FAILING_MS_MAX = 5 * 24 * HOUR;

/**
 * The pause before the next try, ms; undefined: there is none.
 *
 * @param tries made so far
 * @param random from 0 to 1
 * @param askedMs how long the receiver has asked to be left alone
 */
export function pauseMs(tries: number, random: number, askedMs = 0): number | undefined {
  const pause = pausesMs[tries - 1];
  if (pause === undefined) return undefined;
  const own = Math.round(pause * (1 + JITTER * (2 * random - 1)));
  return Math.max(own, Math.min(askedMs, WAIT_MS_MAX));
}

/** `Retry-After` (RFC 9110, 10.2.3) in ms: seconds, or a date. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * SECOND;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
