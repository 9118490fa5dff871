import { config } from "../runtime/config.ts";
import { RateLimit } from "../runtime/rate-limit.ts";
import { Problem } from "./problem.ts";

/** What is counted apart, and its part of `REQUESTS_PER_SECOND_MAX`. */
const parts = {
  /** By a person. */
  reads: 1,
  changes: 1 / 2,
  /** Changes and questions for which the whole fleet is planned. */
  plans: 1 / 40,
  /** All requests of a host that has proved that it is the one. */
  requests: 1,
  /** By an address: who joins, or polls for commands, has proved nothing yet. */
  joins: 1 / 20,
  polls: 1,
};
export type Counted = keyof typeof parts;

const limit = new RateLimit();

/**
 * Counts a request of somebody who has proved who he is, or of an address where nobody can have done
 * so: others must not use up his requests.
 *
 * @throws Problem too-many-requests
 */
export function limitRate(counted: Counted, name: string): void {
  const retryAfterSeconds = secondsToWait(counted, name);
  if (retryAfterSeconds === undefined) return;
  throw new Problem(
    "too-many-requests",
    `${name} has made more than ${rateOf(counted)} ${counted} a second for a while: ask again in ` +
      `${retryAfterSeconds} s`,
    { retryAfterSeconds },
  );
}

/** Counts a request. @returns in how many seconds the next one may come; undefined: this one may */
export function secondsToWait(counted: Counted, name: string): number | undefined {
  if (config().requestsPerSecondMax === 0) return undefined;
  return limit.take(`${counted} ${name}`, rateOf(counted));
}

function rateOf(counted: Counted): number {
  return Math.max(1, Math.round(config().requestsPerSecondMax * parts[counted]));
}
