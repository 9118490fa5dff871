import { join } from "node:path";
import { mapPlaceholders } from "../../core/host-resources.ts";
import type { Parts } from "../../core/twin/reading.ts";
import type { VmDefinition } from "../../core/vm.ts";
import type { Resources } from "../guest/resources.ts";
import { textOf } from "../runtime/host-values.ts";

/** A host's value of a resource → the placeholder that stands for it in the definition, as JSON. */
export type Placeholders = ReadonlyMap<string, string>;

/** The placeholders of a definition by this host's values; taps are in no property of a device. */
export function placeholdersOf(definition: VmDefinition, resources: Resources): Placeholders {
  const values = new Map<string, string>();
  mapPlaceholders(definition, {
    host: (resource) => {
      const { $host, file } = resource;
      const value = resources[$host];
      if (value === undefined || (typeof value === "object" && value.type === "tap")) return "";
      const text = textOf(value);
      values.set(file === undefined ? text : join(text, file), JSON.stringify(resource));
      return "";
    },
    guest: () => "",
  });
  return values;
}

/**
 * A copy with the placeholders in place of this host's values, so that both hosts read the same. A
 * value is replaced where it is a whole property, or a whole file in a chain of nodes.
 */
export function withPlaceholders(parts: Parts, values: Placeholders): Parts {
  if (values.size === 0) return parts;
  const hide = (text: string) => {
    const whole = values.get(text);
    if (whole !== undefined) return whole;
    // In a chain of nodes: `raw(file: host_device /dev/x)`.
    return text.replace(/(?<= )(\/[^ ,()]+)(?=[,)]|$)/g, (file) => values.get(file) ?? file);
  };
  return Object.fromEntries(
    Object.entries(parts).map(([kind, inKind]) => [
      kind,
      Object.fromEntries(
        Object.entries(inKind).map(([part, properties]) => [
          part,
          Object.fromEntries(
            Object.entries(properties).map(([name, value]) => [name, hide(value)]),
          ),
        ]),
      ),
    ]),
  ) as Parts;
}
