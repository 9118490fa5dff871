import * as z from "zod";

const Path = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, "expected an absolute path");
/** Linux: IFNAMSIZ is 16 with its terminating zero. */
const Interface = z
  .string()
  .regex(/^[^\s/:]{1,15}$/, "expected the name of a network interface, of 1 to 15 characters");

/**
 * A tap that the agent makes for each guest that needs it, and removes with the guest's process. It
 * stays down until the guest runs here.
 */
export const TapValue = z
  .strictObject({
    type: z.literal("tap"),
    /** Linux bridge that the tap is attached to. Default: to none. */
    bridge: Interface.optional(),
    /** The guest's VLAN on a bridge with VLAN filtering: untagged towards the guest. */
    vlan: z.int().min(1).max(4_094).optional(),
    /** Default: the kernel's, 1500. */
    mtu: z.int().min(68).max(65_521).optional(),
    /** The kernel moves the packets (vhost-net). Default: what the definition says. */
    vhost: z.boolean().optional(),
  })
  .refine(({ bridge, vlan }) => vlan === undefined || bridge !== undefined, {
    path: ["bridge"],
    message: "expected the bridge that has the VLAN, got nothing",
  });
export type TapValue = z.infer<typeof TapValue>;

const typed = [
  z.strictObject({
    type: z.literal("pci"),
    address: z
      .string()
      .regex(
        /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/,
        "expected a PCI address such as 0000:03:00.1",
      ),
  }),
  z.strictObject({ type: z.literal("mdev"), uuid: z.guid() }),
  z.strictObject({ type: z.literal("file"), path: Path }),
  z.strictObject({ type: z.literal("folder"), path: Path }),
  /** A mount of hugetlbfs. */
  z.strictObject({ type: z.literal("hugepages"), path: Path }),
  z.strictObject({ type: z.literal("address"), address: z.union([z.ipv4(), z.ipv6()]) }),
  TapValue,
] as const;

/** A host's value of a resource: an object with a type, or text that QEMU gets as it is. */
export const HostValue = z.union(
  [z.string().min(1).max(4_096), z.discriminatedUnion("type", typed)],
  {
    error: ({ code }) =>
      code === "invalid_union"
        ? "expected text, or an object with a `type` of pci, mdev, tap, file, folder, hugepages or address and that type's members"
        : undefined,
  },
);
export type HostValue = z.infer<typeof HostValue>;

type Valued = Exclude<HostValue, string | TapValue>;

/** What stands in QEMU's options for a value. */
export function textOf(value: Valued | string): string {
  if (typeof value === "string") return value;
  switch (value.type) {
    case "pci":
    case "address":
      return value.address;
    case "mdev":
      return `/sys/bus/mdev/devices/${value.uuid}`;
    case "file":
    case "folder":
    case "hugepages":
      return value.path;
  }
}

/** The path in the host's file system that has to exist for a value. */
export function pathOf(value: HostValue): string | undefined {
  if (typeof value === "string" || value.type === "address") return undefined;
  if (value.type === "pci") return `/sys/bus/pci/devices/${value.address}`;
  if (value.type !== "tap") return textOf(value);
  return value.bridge === undefined ? undefined : `/sys/class/net/${value.bridge}/bridge`;
}
