import { mapResources, resourcesOf } from "../../core/host-resources.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";

/** The address on this host of each resource name, from its configuration. */
export type Resources = Readonly<Record<string, string>>;

/** Resource names in the definition that this host does not have. */
export function missingResources(definition: VmDefinition, resources: Resources): string[] {
  return resourcesOf(definition).filter((name) => !Object.hasOwn(resources, name));
}

/**
 * The definition with this host's addresses in place of resource names. Only for QEMU's command line:
 * manifests and events have the names, which are valid on every host.
 *
 * @throws CommandRefusedError `refused`, naming every missing resource
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
