import type { HostId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { readFleet } from "./read-fleet.ts";

/** Share of the fleet's hosts that may be emptied at one time; one host may be in any case. */
export const EMPTIED_SHARE_MAX = 0.25;

const EMPTY = new Set(["draining", "maintenance"]);

/**
 * A cap for callers that may not do everything: how many hosts may be empty, or be emptied, at one
 * time, with those that are drained or in maintenance already.
 *
 * @throws Problem blast-radius
 */
export async function requireWithinBlastRadius(hosts: readonly HostId[]): Promise<void> {
  const { snapshot } = await readFleet();
  const away = snapshot.hosts.filter(({ state }) => EMPTY.has(state));
  const emptied = new Set<string>([...away.map(({ id }) => id), ...hosts]);
  const max = Math.max(1, Math.floor(snapshot.hosts.length * EMPTIED_SHARE_MAX));
  if (emptied.size <= max) return;
  const others = emptied.size - new Set(hosts).size;
  throw new Problem(
    "blast-radius",
    `At most ${max} of ${snapshot.hosts.length} hosts may be emptied at one time: this would make it ` +
      `${emptied.size}${others > 0 ? `, ${others} of them drained or in maintenance` : ""}. Empty fewer, or ` +
      "let somebody with the scope admin ask for it",
    { hostsMax: max, hosts: [...emptied] },
  );
}
