import { join } from "node:path";
import { mapPlaceholders } from "../../core/host-resources.ts";
import type { Parts } from "../../core/twin/reading.ts";
import type { VmDefinition } from "../../core/vm.ts";
import type { Resources } from "../guest/resources.ts";
import { textOf } from "../runtime/host-values.ts";

/** What differs from host to host by intention: this host's value → the name that stands for it. */
export type HostValues = ReadonlyMap<string, string>;

/**
 * The values that this host has for the placeholders of a definition. Taps are left out: no property
 * of a device names them.
 */
export function hostValues(definition: VmDefinition, resources: Resources): HostValues {
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

/** A copy with the names in place of this host's values, where one is a whole value or a whole file. */
export function hideHostValues(parts: Parts, values: HostValues): Parts {
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
