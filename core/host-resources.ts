import * as z from "zod";

/** Name of a host resource, the same on every host that has such a resource. */
export const ResourceName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
  .max(64);
export type ResourceName = z.infer<typeof ResourceName>;

/** What a host resource may be; agent/runtime/host-values.ts has what each consists of. */
export const ResourceType = z.enum([
  "pci",
  "mdev",
  "tap",
  "file",
  "folder",
  "hugepages",
  "address",
]);
export type ResourceType = z.infer<typeof ResourceType>;

/**
 * A placeholder in a VM's definition for what differs from host to host, such as the address of a
 * VFIO device: `{"driver": "vfio-pci", "sysfsdev": {"$host": "gpu0"}}`. Each host's agent replaces it
 * by the value that its configuration has for the name.
 */
export const HostResource = z.strictObject({
  $host: ResourceName,
  /** The host's resource must be of this type. */
  type: ResourceType.optional(),
  /** A file in the resource, which is a folder: a relative path without `..`. */
  file: z
    .string()
    .max(1_024)
    .regex(
      /^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/,
      "expected a relative path whose parts begin with a letter, a digit or `_`",
    )
    .optional(),
});
export type HostResource = z.infer<typeof HostResource>;

/** Files of the agent in the guest's folder. */
const AGENTS_OWN = ["qmp.sock", "vnc.sock", "serial.log", "qemu.log", "output.log"];

/**
 * A placeholder for a socket or a log in the guest's folder on its host: `{"$guest": "qga.sock"}`.
 * The folder is made for each QEMU process and removed with it.
 */
export const GuestFile = z.strictObject({
  $guest: z
    .string()
    .max(32)
    .regex(
      /^[a-z0-9][a-z0-9._-]*\.(sock|log)$/,
      "expected a name of small letters and digits that ends in .sock or .log",
    )
    .refine((name) => !AGENTS_OWN.includes(name), {
      error: ({ input }) => `expected another name than ${input}, which is the agent's own`,
    }),
});
export type GuestFile = z.infer<typeof GuestFile>;

/** Host resources that a definition needs, each once by name and type, in their order. */
export function resourcesOf(definition: unknown): HostResource[] {
  const found = new Map<string, HostResource>();
  mapPlaceholders(definition, {
    host: (resource) => {
      found.set(`${resource.$host} ${resource.type}`, resource);
      return "";
    },
    guest: () => "",
  });
  return [...found.values()];
}

type Replace = {
  host: (resource: HostResource) => string;
  guest: (file: GuestFile["$guest"]) => string;
};

/** A copy of a JSON value with each placeholder in it, at any depth, replaced. */
export function mapPlaceholders<T>(value: T, replace: Replace): T {
  return map(value, replace) as T;
}

/** Whether a JSON value holds, at any depth, an object with `$host` or `$guest` that is not valid. */
export function hasBadPlaceholder(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Object.hasOwn(value, "$host")) return !HostResource.safeParse(value).success;
  if (Object.hasOwn(value, "$guest")) return !GuestFile.safeParse(value).success;
  return Object.values(value).some(hasBadPlaceholder);
}

function map(value: unknown, replace: Replace): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((entry) => map(entry, replace));
  const host = HostResource.safeParse(value);
  if (host.success) return replace.host(host.data);
  const guest = GuestFile.safeParse(value);
  if (guest.success) return replace.guest(guest.data.$guest);
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, map(entry, replace)]),
  );
}
