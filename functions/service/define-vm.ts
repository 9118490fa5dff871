import type { VmId } from "../../core/id.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { recordDefinition, type StoredVm } from "../store/vms.ts";
import { askHost } from "./ask-host.ts";
import { requireSettledGuest } from "./control-vm.ts";
import { requireVm, vmChanged } from "./require-vm.ts";

/**
 * Corrects a VM's definition, once its host has proved that it is that of the guest.
 *
 * @throws Problem vm-not-found, vm-locked, vm-unknown, vm-without-guest, vm-changed, host-refused,
 *   host-silent, host-unreachable
 */
export async function defineVm(
  id: VmId,
  { definition, acceptDifferences }: DefinitionChange,
): Promise<StoredVm> {
  const { vm, host } = await requireSettledGuest(id);
  const args = { definition, acceptDifferences };
  await askHost({ host, vm: id, epoch: vm.epoch, verb: "guest.define", args });
  // What is stored is the operator's definition, never the host's answer.
  if (await recordDefinition(vm, definition)) return requireVm(id);
  throw vmChanged(id);
}

type DefinitionChange = {
  definition: VmDefinition;
  acceptDifferences?: string[] | undefined;
};
