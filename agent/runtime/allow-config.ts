import * as z from "zod";

const Names = z
  .array(
    z
      .string()
      .regex(/^[A-Za-z0-9._*-]{1,64}$/, "expected a name, in which `*` stands for any characters"),
  )
  .max(256);

/**
 * What this host allows in definitions. A list takes the place of the default for its kind: only what
 * it names is allowed. Host resources are this host's own and always allowed.
 */
export const AllowConfig = z.strictObject({
  /** Kinds of objects (`qom-type`). Default: all but those of `REFUSED`. */
  objects: Names.optional(),
  /** Drivers of devices. Default: all but those of `REFUSED`. */
  devices: Names.optional(),
  /** Backends of chardevs. Default: `CHARDEVS`. */
  chardevs: Names.optional(),
  /** Kinds of networks. Default: all. */
  netdevs: Names.optional(),
  /**
   * Folders whose files definitions may name. Default: all but system folders. The agent's own
   * folders are never allowed.
   */
  paths: z
    .array(z.string().startsWith("/", "expected an absolute path").max(4_096))
    .max(256)
    .optional(),
});
export type AllowConfig = z.infer<typeof AllowConfig>;

/** What is refused unless a list of the host names it. */
export const REFUSED = {
  /** `qtest` writes any file and drives the machine; the input objects read the host's devices. */
  objects: ["qtest", "input-linux", "input-barrier"],
  /** They give the guest folders, devices or memory contents of the host. */
  devices: ["usb-mtp", "usb-host", "loader", "guest-loader", "u2f-passthru", "ccid-card-passthru"],
  /** They hold what a guest must not read or write. */
  paths: ["/etc", "/proc", "/root", "/dev/mem", "/dev/kmem", "/dev/port", "/var/lib/switchyard"],
} as const;

/** Backends that touch no terminal, port or device of the host. */
export const CHARDEVS: readonly string[] = ["socket", "file", "null", "ringbuf", "vc"];
