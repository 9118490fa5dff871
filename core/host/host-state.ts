import * as z from "zod";
import type { HostCordon } from "./cordon.ts";

/** What the record says of a host. `joining`: its agent has not registered yet. */
export const HostLifecycle = z.enum(["joining", "active", "maintenance", "retiring", "retired"]);
export type HostLifecycle = z.infer<typeof HostLifecycle>;

/**
 * What is shown of a host: its lifecycle, or what is true of an active host beside it. `silent`: its
 * agent has not been heard for longer than it promised; `draining`: an evacuation empties it;
 * `cordoned`: somebody wants no guest to come to it.
 */
export const HostState = z.enum([...HostLifecycle.options, "silent", "draining", "cordoned"]);
export type HostState = z.infer<typeof HostState>;

type Known = {
  readonly state: HostLifecycle;
  readonly cordons: readonly HostCordon[];
  readonly silentSince?: string | undefined;
};

export function hostStateOf({ state, cordons, silentSince }: Known): HostState {
  if (state !== "active") return state;
  if (silentSince !== undefined) return "silent";
  if (cordons.some(({ drains }) => drains === true)) return "draining";
  return cordons.length > 0 ? "cordoned" : "active";
}

/** Since when a host is in the state that is shown. */
export function stateSinceOf(host: Known & { readonly stateSince?: string | undefined }) {
  const shown = hostStateOf(host);
  if (shown === "silent") return host.silentSince;
  const isDraining = shown === "draining";
  if (!isDraining && shown !== "cordoned") return host.stateSince;
  const marks = host.cordons.filter(({ drains }) => !isDraining || drains === true);
  return marks.map(({ since }) => since).sort()[0];
}

/** A host is silent when it has not been heard for so many of the intervals that its agent promised. */
const MISSED_MAX = 4;

/**
 * Since when a host is silent, ms since the epoch; undefined: it is not, or its agent promised nothing.
 * Silence says nothing of its guests: they may run on.
 */
export function silentSince(
  heard: { readonly heartbeatMs?: number | undefined; readonly heardAtMs: number },
  nowMs: number,
): number | undefined {
  const { heartbeatMs, heardAtMs } = heard;
  if (heartbeatMs === undefined || nowMs - heardAtMs <= MISSED_MAX * heartbeatMs) return undefined;
  return heardAtMs;
}

/** Whether a person has confirmed that the host is down, and its agent was not heard since. */
export function isConfirmedDown(host: {
  readonly down?: { readonly at: string } | undefined;
  readonly heardAt?: string | undefined;
}): boolean {
  const { down, heardAt } = host;
  return down !== undefined && (heardAt === undefined || heardAt <= down.at);
}
