import { diskImageOf } from "../../core/definition/disk-image.ts";
import type { VmId } from "../../core/id.ts";
import { changeLabels } from "../../core/labels.ts";
import type { VmRules, VmRulesChange } from "../../core/vm-rules.ts";
import { refuseFields } from "../http/invalid.ts";
import { writeRules } from "../store/vm-rules.ts";
import type { StoredVm } from "../store/vms.ts";
import { requireVm, vmChanged, vmLocked } from "./require-vm.ts";
import { byInvocation } from "./wake-by-invocation.ts";
import { wakeForRoom } from "./wake-listeners.ts";

/** How often others may change the VM between the read and the write. */
const TRIES_MAX = 5;

/**
 * Changes what people say of a VM: labels, tenant, rules about hosts and other VMs. A guest that breaks
 * a rule where it is stays there; the rule counts for its next migration.
 *
 * @throws Problem vm-not-found, vm-locked, vm-changed, invalid
 */
export async function changeVmRules(id: VmId, change: VmRulesChange): Promise<StoredVm> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const vm = await requireVm(id);
    if (vm.lockedBy !== undefined) throw vmLocked(vm);
    requireDisks(vm, change);
    if (!(await writeRules(vm, rulesOf(vm, change)))) continue;
    await wakeForRoom(byInvocation.proceed);
    return requireVm(id);
  }
  throw vmChanged(id);
}

function rulesOf(vm: StoredVm, change: VmRulesChange): VmRules {
  return {
    labels: change.labels === undefined ? vm.labels : labelsOf(vm, change.labels),
    tenant: wantedOr(change.tenant, vm.tenant),
    affinities: wantedOr(change.affinities, vm.affinities),
    requiredLabels: wantedOr(change.requiredLabels, vm.requiredLabels),
    preferredLabels: wantedOr(change.preferredLabels, vm.preferredLabels),
    pinned: wantedOr(change.pinned, vm.pinned),
    runsControlPlane: wantedOr(change.runsControlPlane, vm.runsControlPlane),
    storage: wantedOr(change.storage, vm.storage),
  };
}

function labelsOf({ labels = {} }: StoredVm, change: NonNullable<VmRulesChange["labels"]>) {
  const changed = changeLabels(labels, change);
  if (changed !== undefined) return changed;
  const received = `${Object.keys(labels).length} labels, and those of the request`;
  throw refuseFields([{ field: "labels", rule: "at most 64 labels for a VM", received }]);
}

/** A name that the definition does not have would only be found when the VM is to move. */
function requireDisks({ definition }: StoredVm, { storage }: VmRulesChange): void {
  const errors = Object.keys(storage ?? {}).flatMap((disk) => {
    const image = diskImageOf(definition, disk);
    const field = `storage.${disk}`;
    if (!("problem" in image)) return [];
    return [{ field, rule: `a disk that can be copied: ${image.problem}` }];
  });
  if (errors.length > 0) throw refuseFields(errors);
}

/** `null` removes it, undefined keeps what is there. */
function wantedOr<T>(wanted: T | null | undefined, known: T | undefined): T | undefined {
  return wanted === undefined ? known : (wanted ?? undefined);
}
