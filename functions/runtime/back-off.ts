import { setTimeout as delay } from "node:timers/promises";

/** What one attempt came to: its value, or the conflict for which it may be repeated. */
export type Attempt<T> = { value: T } | { conflict: unknown };

export type BackOff = {
  /** Attempts after the first one. */
  retriesMax: number;
  /** Longest delay before the first retry, ms; it doubles with each retry. */
  delayMs: number;
  /** Longest delay of all, ms. */
  delayMsMax: number;
};

/**
 * Repeats an attempt until it has a value. Each delay is drawn between zero and its longest value
 * ("full jitter", AWS Architecture Blog, "Exponential Backoff And Jitter"): callers that were in
 * conflict do not meet again.
 *
 * @param exhausted makes the error for a conflict that remains
 * @throws the error of `exhausted`, or what the attempt throws
 */
export async function withBackOff<T>(
  { retriesMax, delayMs, delayMsMax }: BackOff,
  attempt: () => Promise<Attempt<T>>,
  exhausted: (conflict: unknown) => Error,
): Promise<T> {
  for (let retry = 0; ; retry += 1) {
    const result = await attempt();
    if ("value" in result) return result.value;
    if (retry === retriesMax) throw exhausted(result.conflict);
    await delay(Math.random() * Math.min(delayMsMax, delayMs * 2 ** retry));
  }
}
