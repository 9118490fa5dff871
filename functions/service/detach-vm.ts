import type { VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { removeVm } from "../store/vms.ts";
import { admitWaiting } from "./admit-waiting.ts";
import { askHost } from "./ask-host.ts";
import { requireSettledGuest } from "./control-vm.ts";
import { endGuest } from "./end-guest.ts";
import { requireVm, vmChanged } from "./require-vm.ts";
import { byInvocation } from "./wake-by-invocation.ts";

/**
 * Gives a VM's guest back: its QEMU runs on without the agent, and the record is removed. Repeated
 * after a lost answer, it ends the same: a host that does not know the guest has nothing to give back.
 *
 * @throws Problem vm-not-found, vm-locked, vm-unknown, vm-without-guest, vm-changed, host-refused,
 *   host-silent, host-unreachable
 */
export async function detachVm(id: VmId): Promise<void> {
  const { vm, host } = await requireSettledGuest(id);
  try {
    await askHost({ host, vm: id, epoch: vm.epoch, verb: "guest.detach", args: {} });
  } catch (error) {
    if (!(error instanceof Problem && error.extra.reason === "not-found")) throw error;
  }
  await endGuest(id, vm.host, { state: "stopped", detail: "it was detached: it may run on" });
  await admitWaiting({ hosts: [vm.host], makesRoom: true }, byInvocation);
  if (await removeVm(await requireVm(id))) return;
  throw vmChanged(id);
}
