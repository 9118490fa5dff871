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
  /** When it got its slots: before it had a place to be prepared, if it has one. */
  readonly slotsSince?: string | undefined;
};

/**
 * Moves that were admitted, or got their slots, while nothing was to begin: under a pause or a change freeze, after a cancel, or to
 * a host that took no guests.
 *
 * @param closures as whoever asked for them knows: from the answer to the next request
 */
export function startsWhileClosed(
  starts: readonly Start[],
  closures: readonly Closure[],
): string[] {
  return starts.flatMap(({ id, vm, target, createdAt, slotsSince = createdAt }) => {
    const concerned = closures.filter((one) => one.target === undefined || one.target === target);
    return [...new Set([createdAt, slotsSince])].flatMap((at) =>
      concerned
        .filter(({ fromMs, toMs }) => Date.parse(at) > fromMs && Date.parse(at) < toMs)
        .map(({ what }) => `${id} of ${vm} to ${target} began at ${at}: ${what}`),
    );
  });
}
