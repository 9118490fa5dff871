import { planOptions } from "../../core/evacuation/request.ts";
import type { EvacuationId, HostId, VmId } from "../../core/id.ts";
import { planReturn, type ReturnPlan } from "../../core/plan/return-plan.ts";
import type { FleetSnapshot, PlanHost } from "../../core/plan/snapshot.ts";
import { listAllMoves, type StoredMove } from "../store/evacuation-moves.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { requireEvacuation } from "./change-evacuation.ts";
import { readFleet } from "./read-fleet.ts";

/** States in which a VM that was listed for the way back is not home yet. */
const backStates: readonly StoredMove["state"][] = ["waiting", "retrying", "unplaced"];

/**
 * The plan of a rollback with the fleet as it is now. VMs in transfer are not in it; nor are those that
 * somebody else has moved or removed, which stay where they are.
 *
 * @throws Problem evacuation-not-found, fleet-too-large
 */
export async function previewRollback(id: EvacuationId): Promise<ReturnPlan> {
  const evacuation = await requireEvacuation(id);
  return planWayBack(evacuation, await listAllMoves(id));
}

/** @throws Problem fleet-too-large */
export async function planWayBack(
  evacuation: Pick<StoredEvacuation, "id" | "hosts" | "policy" | "options">,
  moves: readonly StoredMove[],
): Promise<ReturnPlan> {
  const { id, hosts } = evacuation;
  const { snapshot, tenantLimits } = await readFleet();
  const open = {
    ...snapshot,
    hosts: snapshot.hosts.map((host) => withoutCordonOf(id, host)),
  };
  const names = hosts.map(({ host }) => host);
  return planReturn(open, homesOf(open, moves), planOptions(evacuation, names, { tenantLimits }));
}

/** A rollback lifts its own cordons before anything moves. */
function withoutCordonOf(id: EvacuationId, host: PlanHost): PlanHost {
  const cordons = host.cordons.filter(({ owner }) => owner !== id);
  const isFree = cordons.length === 0 && host.state === "draining";
  return { ...host, cordons, ...(isFree ? { state: "active" as const } : {}) };
}

/** Where each VM that it has moved goes back to. */
function homesOf(snapshot: FleetSnapshot, moves: readonly StoredMove[]): Map<VmId, HostId> {
  const at = new Map(
    snapshot.vms.flatMap(({ id, host, inFlight }) => (inFlight === undefined ? [[id, host]] : [])),
  );
  const known = new Set(snapshot.hosts.map(({ id }) => id));
  return new Map(
    moves.flatMap(({ vm, leg, state, source, target }) => {
      if (target === undefined) return [];
      const isToGo = leg === "back" ? backStates.includes(state) : state === "moved";
      const [place, home] = leg === "back" ? [source, target] : [target, source];
      const isThere = at.get(vm) === place && known.has(home);
      return isToGo && isThere ? [[vm, home] as const] : [];
    }),
  );
}
