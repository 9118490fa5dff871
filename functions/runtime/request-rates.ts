/** Requests a second of one principal, unless the installation says otherwise. */
export const REQUESTS_PER_SECOND = 200;
/** How many seconds' requests may come at once. */
export const BURST_SECONDS = 5;

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

/** Requests a second of one principal, of a kind; at least 1. */
export function rateOf(counted: Counted, requestsPerSecond: number): number {
  return Math.max(1, Math.round(requestsPerSecond * parts[counted]));
}
