import type { HostId } from "../id.ts";
import { HostSequence } from "../plan/host-sequence.ts";
import type { PlanOptions } from "../plan/options.ts";
import type { HostTurn } from "./evacuation.ts";

type Limits = Pick<PlanOptions, "canaryHosts" | "ramp" | "hostsAtOnce">;
type Turn = Pick<HostTurn, "host" | "state">;

/**
 * Hosts that begin now, by the same sequence as in the plan.
 *
 * @param turns in the order in which they begin
 */
export function turnsToBegin(turns: readonly Turn[], limits: Limits): HostId[] {
  const sequence = new HostSequence([...turns.keys()], limits);
  let begun = sequence.begin().length;
  for (const { state } of turns) {
    if (state !== "emptied" && state !== "kept") continue;
    sequence.done();
    begun += sequence.begin().length;
  }
  return turns.slice(0, begun).flatMap(({ host, state }) => (state === "waiting" ? [host] : []));
}

/** Whether nothing is left to be done for the hosts. */
export function areTurnsOver(turns: readonly Turn[]): boolean {
  return turns.every(({ state }) => state === "emptied" || state === "kept");
}
