import { mapResources, resourcesOf } from "../../core/host-resources.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";

/** What this host's configuration says of each resource name. */
export type Resources = Readonly<Record<string, string>>;

/** Names that the definition needs and this host does not have. */
export function missingResources(definition: VmDefinition, resources: Resources): string[] {
  return resourcesOf(definition).filter((name) => !Object.hasOwn(resources, name));
}

/**
 * The definition as QEMU is given it on this host: with the host's own addresses. Only for QEMU's
 * command line; what is kept and told of a guest names the resources, as they mean it on every host.
 *
 * @throws CommandRefusedError naming every resource that is missing
 */
export function resolveResources(definition: VmDefinition, resources: Resources): VmDefinition {
  const missing = missingResources(definition, resources);
  if (missing.length > 0) {
    throw new CommandRefusedError(
      "refused",
      `This host has no resource ${missing.join(", ")}: name it in \`resources\` of its agent's configuration`,
    );
  }
  const { blockdevs, devices, objects, ...rest } = definition;
  return {
    ...rest,
    ...mapResources({ blockdevs, devices, objects }, (name) => resources[name] ?? ""),
  };
}
