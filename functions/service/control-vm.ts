import type { VmId } from "../../core/id.ts";
import type { GuestAction } from "../../core/protocol/command.ts";
import { Problem } from "../http/problem.ts";
import { findHost, type StoredHost } from "../store/hosts.ts";
import { hasEnded, type StoredVm } from "../store/vms.ts";
import { askHost } from "./ask-host.ts";
import { requireVm, vmLocked, vmUnknown } from "./require-vm.ts";

/**
 * Pauses, resumes or resets a VM's guest, or presses its power button. The record follows what QEMU
 * reports, which its host has emitted before it answers.
 *
 * @throws Problem vm-not-found, vm-locked, vm-unknown, vm-without-guest, host-refused, host-silent,
 *   host-unreachable
 */
export async function controlVm(id: VmId, action: GuestAction): Promise<StoredVm> {
  const { vm, host } = await requireSettledGuest(id);
  await askHost({ host, vm: id, epoch: vm.epoch, verb: "guest.control", args: { action } });
  return requireVm(id);
}

/**
 * A VM with a guest that no migration holds, and its host. The agent checks this again: a migration
 * that begins meanwhile has a higher epoch.
 *
 * @throws Problem vm-not-found, vm-locked, vm-unknown, vm-without-guest
 */
export async function requireSettledGuest(id: VmId): Promise<{ vm: StoredVm; host: StoredHost }> {
  const vm = await requireVm(id);
  if (vm.lockedBy !== undefined) throw vmLocked(vm);
  if (vm.state === "unknown") throw vmUnknown(vm);
  const host = await findHost(vm.host);
  if (hasEnded(vm) || vm.state === "starting" || host === undefined) {
    throw new Problem("vm-without-guest", `VM ${id} is ${vm.state}: it has no guest`);
  }
  return { vm, host };
}
