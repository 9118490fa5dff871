import { config } from "../runtime/config.ts";
import { RateLimit } from "../runtime/rate-limit.ts";
import { Problem } from "./problem.ts";

const limit = new RateLimit();

/**
 * Counts a request of somebody who has proved who he is: others must not use up his requests.
 *
 * @throws Problem too-many-requests
 */
export function limitRate(kind: "person" | "host", name: string): void {
  const { requestsPerSecondMax } = config();
  if (requestsPerSecondMax === 0) return;
  const retryAfterSeconds = limit.take(`${kind} ${name}`, requestsPerSecondMax);
  if (retryAfterSeconds === undefined) return;
  throw new Problem(
    "too-many-requests",
    `${name} has made more than ${requestsPerSecondMax} requests a second for a while: ask again in ` +
      `${retryAfterSeconds} s`,
    { retryAfterSeconds },
  );
}
