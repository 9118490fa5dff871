/** While something that is shown changes, ms. */
const FAST_MS = 2_000;
/** While nothing does, ms. */
export const REST_MS = 15_000;
/** The same for what costs the control plane a look at the whole fleet, ms. */
export const LONG_REST_MS = 60_000;
/** At most after failures, ms. */
const FAILED_MS_MAX = 60_000;

/** How long to wait before the next read, ms. */
export function pauseAfterRead(last: {
  readonly isBusy: boolean;
  readonly failures: number;
  readonly restMs: number;
}): number {
  const usual = last.isBusy ? FAST_MS : last.restMs;
  if (last.failures === 0) return usual;
  return Math.min(FAILED_MS_MAX, Math.max(usual, FAST_MS * 2 ** last.failures));
}
