import type { VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { findVm, type StoredVm } from "../store/vms.ts";

/** @throws Problem vm-not-found */
export async function requireVm(id: VmId): Promise<StoredVm> {
  const vm = await findVm(id);
  if (vm !== undefined) return vm;
  throw new Problem("vm-not-found", `There is no VM ${id}`);
}

/** The refusal of whatever a migration's lock on the VM rules out. */
export function vmLocked(vm: StoredVm): Problem {
  if (vm.state === "unknown") return vmUnknown(vm);
  const detail = `VM ${vm.id} is held by migration ${vm.lockedBy}`;
  return new Problem("vm-locked", detail, { migration: vm.lockedBy });
}

/** Refuses a change that was decided on an older record of the VM. */
export function vmChanged(id: VmId): Problem {
  const detail = `Other requests are changing VM ${id}, or moving it: read it, then try again`;
  return new Problem("vm-changed", detail);
}

/** The refusal of whatever needs to know where the VM's guest runs. */
export function vmUnknown({ id, lockedBy, detail }: StoredVm): Problem {
  const why = detail === undefined ? "" : ` (${detail})`;
  return new Problem(
    "vm-unknown",
    `Nobody knows where VM ${id} runs: a person must decide${why}`,
    lockedBy === undefined ? {} : { migration: lockedBy },
  );
}
