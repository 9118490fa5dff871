import { duration } from "../format.ts";
import type { Choice } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";
import type { Side } from "./sides.ts";

/** How far each host's clock was ahead of the control plane's at its last heartbeat, ms. */
export type ClockOffsets = Readonly<Record<Side, number>>;

/**
 * Clocks of hosts that differ by more are told, ms. The time that a heartbeat takes on its way makes
 * the offset of its host too low; that time is far below this limit.
 */
export const CLOCKS_APART_MS_MAX = 1_000;

export function clocksOf(
  source: number | undefined,
  target: number | undefined,
): ClockOffsets | undefined {
  return source === undefined || target === undefined ? undefined : { source, target };
}

/**
 * Tells when the hosts' clocks differ: it refuses nothing, since the guest's own clock moves with it.
 * What the guest reads from its RTC after the move, and what `guestClock` sets, is the target's clock.
 */
export function explainHostClocks(
  offsets: ClockOffsets | undefined,
  { guestClock }: Pick<MigrationPolicy, "guestClock">,
): Choice[] {
  if (offsets === undefined) return [];
  const aheadMs = offsets.target - offsets.source;
  if (Math.abs(aheadMs) <= CLOCKS_APART_MS_MAX) return [];
  const way = aheadMs > 0 ? "ahead of" : "behind";
  const effect =
    guestClock === "set"
      ? "policy.guestClock sets the guest's clock to the target's, so it jumps by that"
      : "what the guest sets from its RTC after the move differs by that";
  const reason =
    `warning: the target's clock was ${duration(Math.abs(aheadMs))} ${way} the source's at their ` +
    `last heartbeats; ${effect}. Synchronise the hosts' clocks`;
  return [{ subject: "host clocks", value: `${aheadMs} ms`, reason }];
}
