import { countedAs, type Scope, scopeOf } from "../functions/api/access.ts";
import { BURST_SECONDS, REQUESTS_PER_SECOND, rateOf } from "../functions/runtime/request-rates.ts";

/** Routes of hosts: joining proves nothing yet, so it has a route and a rate of its own. */
export const JOIN_ROUTE = "POST /agent/v1/join";
export const HOSTS_ROUTE = "POST /agent/v1/{proxy+}";
/** People's requests that have no route of their own. */
export const READS_ROUTE = "ANY /v1/{proxy+}";

/** People's operations with a route of their own: those that need more than reads, by scope or by rate. */
export const ownRoutes: readonly (readonly [operation: string, scope: Scope])[] = Object.entries(
  scopeOf,
).filter(([operation, scope]) => scope !== "read" || counted(operation) === "plans");

function counted(operation: string) {
  const [method = "", path = ""] = operation.split(" ");
  return countedAs({ method, path });
}

/** Requests a second of all hosts together: far above what a fleet of 25,000 needs. */
const HOSTS_PER_SECOND = 1_000;
/** So many principals may call a route as fast as each of them may. */
const PRINCIPALS = 4;

/** Requests a second, and at once, of all callers of a route together. */
export type Throttle = { readonly perSecond: number; readonly burst: number };

/** Routes other than these have this one. */
export const otherRoutes: Throttle = { perSecond: HOSTS_PER_SECOND, burst: 2 * HOSTS_PER_SECOND };

/**
 * The throttle of each route. None is below the rate that the functions give one principal (ADR 51), so
 * that one who asks too often meets theirs first, whose answer says when to ask again; several who do
 * so together are held here, each route for itself: people do not use up what hosts need.
 *
 * @param requestsPerSecond of one principal; 0: any number, then the default counts here
 */
export function throttles(requestsPerSecond?: number): Record<string, Throttle> {
  const each = requestsPerSecond || REQUESTS_PER_SECOND;
  const ofAll = (perSecond: number) => ({
    perSecond: PRINCIPALS * perSecond,
    burst: PRINCIPALS * perSecond * BURST_SECONDS,
  });
  return {
    [READS_ROUTE]: ofAll(rateOf("reads", each)),
    ...Object.fromEntries(
      ownRoutes.map(([operation]) => [operation, ofAll(rateOf(counted(operation), each))]),
    ),
    [JOIN_ROUTE]: ofAll(rateOf("joins", each)),
    [HOSTS_ROUTE]: { ...otherRoutes, perSecond: Math.max(HOSTS_PER_SECOND, each) },
  };
}
