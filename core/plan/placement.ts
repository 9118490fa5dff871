import * as z from "zod";
import { HostId, VmId } from "../id.ts";
import { Blocker } from "../negotiate/agreement.ts";
import { Explainer } from "./explain.ts";
import { fleetOf, vmBlockers } from "./fleet.ts";
import { PlanOptions } from "./options.ts";
import type { FleetSnapshot, PlanVm } from "./snapshot.ts";

/** Where a VM could go now, host by host, and why not. */
export const Placement = z.strictObject({
  vm: VmId,
  host: HostId,
  /** What keeps it where it is, whatever the target. */
  blockers: z.array(Blocker),
  /** Hosts that would take it, were it not for its own reasons. */
  fitting: z.array(HostId),
  /** Every other host but its own; those that refuse it for the same reasons are listed together. */
  reasons: z.array(z.strictObject({ hosts: z.array(HostId), blockers: z.array(Blocker) })),
  /** What is the nearest to help: a change, or a migration that makes room. */
  cures: z.array(z.string()),
});
export type Placement = z.infer<typeof Placement>;

/**
 * Explains where a VM could go by the rules of plans, which are negotiation's: a plan that empties its
 * host gives the same reasons, in the same words.
 */
export function placementOf(snapshot: FleetSnapshot, vm: PlanVm): Placement {
  // Nothing is emptied: no host is closed because of a plan.
  const options: PlanOptions = { ...PlanOptions.parse({ empty: [vm.host] }), empty: [] };
  const fleet = fleetOf(snapshot, options);
  const guest = fleet.guests.guestOf(vm, fleet.table.indexOf(vm.host));
  const blockers = vmBlockers(guest, fleet.table, options);
  const plan = { moves: [], returning: new Set<number>(), order: [], keepNPlusOne: false };
  const explainer = new Explainer(fleet, plan);
  const explanation = explainer.explanations[explainer.explain(guest, true)];
  const isOther = (host: HostId) => host !== vm.host;
  const { reasons = [], fitting = [], cures = [] } = explanation ?? {};
  const others = reasons.map(({ hosts, blockers: found }) => ({
    hosts: hosts.filter(isOther),
    blockers: found,
  }));
  return {
    vm: vm.id,
    host: vm.host,
    blockers: [...migrationBlockers(vm), ...blockers],
    fitting: fitting.filter(isOther),
    reasons: others.filter(({ hosts }) => hosts.length > 0),
    cures: fitting.some(isOther) ? [] : [...cures],
  };
}

function migrationBlockers({ inFlight }: PlanVm): Blocker[] {
  if (inFlight === undefined) return [];
  return [
    {
      code: "migration-in-progress",
      message: `A migration to ${inFlight.target} holds it`,
      cure: "Wait until it has ended, or cancel it",
    },
  ];
}
