import { withAddresses } from "../../core/definition/live-change.ts";
import type { DefinitionParts } from "../../core/definition/parts.ts";
import { NoSuchDeviceError } from "../../core/definition/parts-change.ts";
import type { VmId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { invalid } from "../http/invalid.ts";
import { Problem } from "../http/problem.ts";
import { recordDefinition, type StoredVm } from "../store/vms.ts";
import { askHost } from "./ask-host.ts";
import { requireSettledGuest } from "./control-vm.ts";
import { requireVm, vmChanged } from "./require-vm.ts";

export type ChangeOptions = {
  /** Opens a tray that the guest has locked. */
  force?: boolean | undefined;
  acceptDifferences?: string[] | undefined;
};

/**
 * Changes a guest that runs, and its definition with it. Its host does it and proves that the guest is
 * as the new definition says.
 *
 * @param change makes the new definition of the present one
 *
 * @throws Problem vm-not-found, vm-locked, vm-unknown, vm-without-guest, vm-changed, device-not-found,
 *   invalid, host-refused, host-silent, host-unreachable
 */
export async function changeVm(
  id: VmId,
  change: (definition: DefinitionParts) => DefinitionParts,
  options: ChangeOptions = {},
): Promise<StoredVm> {
  const { vm, host } = await requireSettledGuest(id);
  const definition = parse(changed(vm, change));
  const args = { definition, ...options };
  const { addresses } = await askHost({
    host,
    vm: id,
    epoch: vm.epoch,
    verb: "guest.change",
    args,
  });
  // Of the answer only what a host decides is taken: where QEMU has put devices.
  const addressed = parse(withAddresses(definition, addresses));
  if (await recordDefinition(vm, addressed)) return requireVm(id);
  throw vmChanged(id);
}

function changed(
  { definition }: StoredVm,
  change: (definition: DefinitionParts) => DefinitionParts,
): DefinitionParts {
  try {
    return change(definition);
  } catch (error) {
    if (error instanceof NoSuchDeviceError) throw new Problem("device-not-found", error.message);
    throw error;
  }
}

function parse(definition: DefinitionParts): VmDefinition {
  const parsed = VmDefinition.safeParse(definition);
  if (parsed.success) return parsed.data;
  throw invalid(parsed.error.issues, definition);
}
