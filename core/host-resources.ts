import { z } from "zod";

/** Name of a host resource, the same on every host that has such a resource. */
export const ResourceName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
  .max(64);
export type ResourceName = z.infer<typeof ResourceName>;

/**
 * A placeholder in a VM's definition for what differs from host to host, such as the address of a
 * VFIO device: `{"driver": "vfio-pci", "sysfsdev": {"$host": "gpu0"}}`. Each host's agent replaces it
 * by the value that its configuration has for the name.
 */
export const HostResource = z.strictObject({ $host: ResourceName });

/** The parts of a definition that may name host resources. */
type Parts = {
  readonly blockdevs: readonly object[];
  readonly devices: readonly object[];
  readonly objects: readonly object[];
};

/** Names of the host resources that a definition needs, each once, in the order they appear. */
export function resourcesOf({ blockdevs, devices, objects }: Parts): ResourceName[] {
  const names = new Set<ResourceName>();
  mapResources([objects, blockdevs, devices], (name) => {
    names.add(name);
    return name;
  });
  return [...names];
}

/** A copy of a JSON value with each placeholder in it, at any depth, replaced. */
export function mapResources<T>(value: T, replace: (name: ResourceName) => string): T {
  return map(value, replace) as T;
}

/** Whether a JSON value holds, at any depth, an object with `$host` that is no valid placeholder. */
export function hasBadPlaceholder(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Object.hasOwn(value, "$host")) return !HostResource.safeParse(value).success;
  return Object.values(value).some(hasBadPlaceholder);
}

function map(value: unknown, replace: (name: ResourceName) => string): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((entry) => map(entry, replace));
  const placeholder = HostResource.safeParse(value);
  if (placeholder.success) return replace(placeholder.data.$host);
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, map(entry, replace)]),
  );
}
