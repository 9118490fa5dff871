import type { OpenTime } from "../../core/evacuation/evacuation.ts";
import { type EvacuationRequest, planOptions } from "../../core/evacuation/request.ts";
import { type Placement, placementChanges, placementsOf } from "../../core/evacuation/version.ts";
import type { HostId } from "../../core/id.ts";
import { planEvacuation } from "../../core/plan/plan.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import type { FleetSnapshot, PlanVm } from "../../core/plan/snapshot.ts";
import { planWindows } from "../../core/schedule/open-times.ts";
import { Problem } from "../http/problem.ts";
import { readFleet } from "./read-fleet.ts";

type Wanted = Pick<EvacuationRequest, "policy" | "options"> & {
  /** When its migrations may run; absent: at any time. */
  readonly openTimes?: readonly OpenTime[] | undefined;
};

/** What an evacuation knows of its VMs beyond the fleet. */
export type Hints = {
  /** Where the version before sends them. */
  readonly targets: ReadonlyMap<string, HostId>;
  /** Hosts that have refused them. */
  readonly refusedBy?: ReadonlyMap<string, readonly HostId[]>;
  /** They stay where they are, by this evacuation's own rules; with the reason. */
  readonly staying?: ReadonlyMap<string, string>;
};

const noHints: Hints = { targets: new Map() };

/**
 * Plans with the fleet as it is now.
 *
 * @throws Problem host-not-found when a host to be emptied is unknown, fleet-too-large
 */
export async function planFleet(
  wanted: Wanted,
  hosts: readonly HostId[],
  hints: Hints = noHints,
): Promise<Plan> {
  const { snapshot, tenantLimits } = await readFleet();
  const known = new Set(snapshot.hosts.map(({ id }) => id));
  const unknown = hosts.filter((host) => !known.has(host));
  if (unknown.length > 0) {
    const detail = `There is no host ${unknown.join(", ")} whose agent has registered`;
    throw new Problem("host-not-found", detail);
  }
  const windows = planWindows(wanted.openTimes, Date.now());
  const options = planOptions(wanted, hosts, { windows, tenantLimits });
  return planEvacuation(withHints(snapshot, hints), options);
}

function withHints(snapshot: FleetSnapshot, { targets, refusedBy, staying }: Hints): FleetSnapshot {
  const hinted = (vm: PlanVm): PlanVm => {
    const plannedTarget = targets.get(vm.id);
    const refused = refusedBy?.get(vm.id);
    const reason = staying?.get(vm.id);
    return {
      ...vm,
      ...(plannedTarget === undefined ? {} : { plannedTarget }),
      ...(refused === undefined ? {} : { refusedBy: [...refused] }),
      ...(reason === undefined ? {} : { pinned: { by: reason, mayEvacuate: false } }),
    };
  };
  return { ...snapshot, vms: snapshot.vms.map(hinted) };
}

/** Plans again, with the targets of a version kept where they are possible still. */
export async function planAgain(
  wanted: Wanted,
  hosts: readonly HostId[],
  before: Plan,
): Promise<{ plan: Plan; changes: string[] }> {
  const old = placementsOf(before);
  const plan = await planFleet(wanted, hosts, { targets: targetsOf(old) });
  return { plan, changes: placementChanges(old, placementsOf(plan)) };
}

export function targetsOf(placements: readonly Placement[]): Map<string, HostId> {
  return new Map(
    placements.flatMap(({ vm, target }) => (target === undefined ? [] : [[vm, target] as const])),
  );
}
