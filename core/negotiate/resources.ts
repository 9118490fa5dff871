import type { TargetProbe } from "../protocol/probe.ts";
import type { Blocker } from "./agreement.ts";

/** Host resources that the guest's definition names and the target's configuration does not. */
export function resourceNameBlockers({
  missingResources,
}: Pick<TargetProbe, "missingResources">): Blocker[] {
  return missingResources.map((name) => ({
    code: "resource-missing",
    field: "target.missingResources",
    message: `The guest needs the host resource ${name}, and the target has no resource ${name}`,
    cure: "Name it in `resources` of the configuration of the target's agent, or choose a host that has it",
  }));
}

/** Parts of the guest's definition that the target's configuration does not allow. */
export function refusedPartBlockers({
  refusedParts = [],
}: Pick<TargetProbe, "refusedParts">): Blocker[] {
  return refusedParts.map((part) => ({
    code: "part-refused",
    field: "target.refusedParts",
    message: `The target does not allow a part of the guest's definition: ${part}`,
    cure: "Name it in `allow` of the configuration of the target's agent, or choose a host that allows it",
  }));
}
