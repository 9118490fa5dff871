/** A time in which nothing of an evacuation was to start; with a target: nothing to that host. */
export type Closure = {
  readonly what: string;
  readonly target?: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
};

type Start = {
  readonly id: string;
  readonly vm: string;
  readonly target: string;
  readonly createdAt: string;
};

/**
 * Moves that began while nothing was to begin: under a pause or a change freeze, after a cancel, or to
 * a host that took no guests.
 *
 * @param closures as whoever asked for them knows: from the answer to the next request
 */
export function startsWhileClosed(
  starts: readonly Start[],
  closures: readonly Closure[],
): string[] {
  return starts.flatMap(({ id, vm, target, createdAt }) => {
    const atMs = Date.parse(createdAt);
    return closures
      .filter((one) => one.target === undefined || one.target === target)
      .filter(({ fromMs, toMs }) => atMs > fromMs && atMs < toMs)
      .map(({ what }) => `${id} of ${vm} to ${target} began at ${createdAt}: ${what}`);
  });
}
