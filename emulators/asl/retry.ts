import type { Catcher, Retrier, State } from "./definition.ts";
import { matchesError } from "./error-match.ts";
import type { Frame } from "./frame.ts";

const INTERVAL_SECONDS = 1;
const MAX_ATTEMPTS = 3;
const BACKOFF_RATE = 2;

export type NextRetry = {
  readonly retries: Frame["retries"];
  readonly delayMs: number;
};

/**
 * The retry due after an error, if one is left. The first retrier that matches decides; each counts
 * its own attempts while the state lasts.
 */
export function nextRetry(state: State, frame: Frame, code: string): NextRetry | undefined {
  const retriers = "Retry" in state ? (state.Retry ?? []) : [];
  const position = retriers.findIndex((retrier) => matchesError(retrier.ErrorEquals, code));
  const retrier = retriers[position];
  if (!retrier) return undefined;
  const attempts = frame.retries[position] ?? 0;
  if (attempts >= (retrier.MaxAttempts ?? MAX_ATTEMPTS)) return undefined;
  return {
    retries: { ...frame.retries, [position]: attempts + 1 },
    delayMs: Math.round(delaySeconds(retrier, attempts) * 1000),
  };
}

export function findCatcher(
  state: State,
  code: string,
): { at: number; catcher: Catcher } | undefined {
  const catchers = "Catch" in state ? (state.Catch ?? []) : [];
  const at = catchers.findIndex((each) => matchesError(each.ErrorEquals, code));
  const catcher = catchers[at];
  return catcher && { at, catcher };
}

function delaySeconds(retrier: Retrier, attempts: number): number {
  const rate = (retrier.BackoffRate ?? BACKOFF_RATE) ** attempts;
  const seconds = (retrier.IntervalSeconds ?? INTERVAL_SECONDS) * rate;
  const capped = Math.min(seconds, retrier.MaxDelaySeconds ?? Number.MAX_SAFE_INTEGER / 1000);
  return retrier.JitterStrategy === "FULL" ? capped * Math.random() : capped;
}
