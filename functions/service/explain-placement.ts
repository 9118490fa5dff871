import type { VmId } from "../../core/id.ts";
import { hostBlockers } from "../../core/plan/host-blockers.ts";
import { type Placement, placementOf } from "../../core/plan/placement.ts";
import { Problem } from "../http/problem.ts";
import { readFleet } from "./read-fleet.ts";
import { requireVm } from "./require-vm.ts";

/**
 * Where a VM could go now, by what the records say of the whole fleet.
 *
 * @throws Problem vm-not-found, vm-not-running, fleet-too-large
 */
export async function explainPlacement(id: VmId): Promise<Placement> {
  const [known, { snapshot, joining }] = await Promise.all([requireVm(id), readFleet()]);
  const vm = snapshot.vms.find((one) => one.id === id);
  if (vm === undefined) {
    throw new Problem("vm-not-running", `VM ${id} is ${known.state}: it has no guest to be moved`);
  }
  const placement = placementOf(snapshot, vm);
  // Nothing is known of them that a plan could use.
  const unknown = joining.map((host) => ({
    hosts: [host],
    blockers: hostBlockers({ id: host, state: "joining", cordons: [] }),
  }));
  return { ...placement, reasons: [...placement.reasons, ...unknown] };
}
