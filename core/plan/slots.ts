import type { PlanOptions } from "./options.ts";
import type { PlanHost } from "./snapshot.ts";

/** What a host's link allows in one direction. */
export type Direction = {
  /** Of the link, B/s. */
  readonly linkBytesPerSecond: number;
  /** Of one migration over it, B/s: never above the link's. */
  readonly streamBytesPerSecond: number;
  /** Migrations at once: together they never need more than the link has. */
  readonly slots: number;
};

type Rates = Pick<PlanOptions, "streamBytesPerSecond" | "unknownLinkBytesPerSecond">;

/** Rates are doubles: 1.2 / 0.4 is 2.9999999999999996, and three streams fit. */
const ROUNDING = 1e-9;

/**
 * Slots of a link: max(1, floor(link rate / stream rate)). A stream that is faster than the link is
 * capped to it, so a slow link has one slot, not none.
 */
export function slotsOf(linkBytesPerSecond: number, streamBytesPerSecond: number): number {
  return Math.max(1, Math.floor(linkBytesPerSecond / streamBytesPerSecond + ROUNDING));
}

export function outbound(
  host: Pick<PlanHost, "linkOutBytesPerSecond" | "slotsOut">,
  rates: Rates,
): Direction {
  return directionOf(host.linkOutBytesPerSecond, host.slotsOut, rates);
}

export function inbound(
  host: Pick<PlanHost, "linkInBytesPerSecond" | "slotsIn">,
  rates: Rates,
): Direction {
  return directionOf(host.linkInBytesPerSecond, host.slotsIn, rates);
}

function directionOf(link: number | undefined, limit: number | undefined, rates: Rates): Direction {
  const linkBytesPerSecond = link ?? rates.unknownLinkBytesPerSecond;
  const byRate = slotsOf(linkBytesPerSecond, rates.streamBytesPerSecond);
  return {
    linkBytesPerSecond,
    streamBytesPerSecond: Math.min(rates.streamBytesPerSecond, linkBytesPerSecond),
    slots: Math.min(byRate, limit ?? byRate),
  };
}

/**
 * Migrations of a host that may be prepared, or wait prepared, beside those in transfer. Each holds
 * memory on its target, so the pool is small; it is larger than the slots, so that a slot that becomes
 * free finds one that is ready and whose target has a slot as well.
 */
export function poolOf(slots: number, prepareAhead: number | undefined): number {
  return prepareAhead ?? 3 * slots + 2;
}
