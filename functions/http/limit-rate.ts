import { config } from "../runtime/config.ts";
import { RateLimit } from "../runtime/rate-limit.ts";
import { type Counted, rateOf } from "../runtime/request-rates.ts";
import { Problem } from "./problem.ts";

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
    `${name} has made more than ${perSecond(counted)} ${counted} a second for a while: ask again in ` +
      `${retryAfterSeconds} s`,
    { retryAfterSeconds },
  );
}

/** Counts a request. @returns in how many seconds the next one may come; undefined: this one may */
export function secondsToWait(counted: Counted, name: string): number | undefined {
  if (config().requestsPerSecondMax === 0) return undefined;
  return limit.take(`${counted} ${name}`, perSecond(counted));
}

function perSecond(counted: Counted): number {
  return rateOf(counted, config().requestsPerSecondMax);
}
