import * as z from "zod";
import { FilePath, PartId, Properties, Text } from "./values.ts";

/** Machine properties that have a field of their own, with that field. */
const OWN_FIELDS: Readonly<Record<string, string>> = {
  type: "machine",
  accel: "accelerator",
  kernel: "kernel.path",
  initrd: "kernel.initrd",
  append: "kernel.append",
  shim: "kernel",
  dtb: "kernel",
  dumpdtb: "kernel",
  firmware: "firmware.bios",
  pflash0: "firmware.code",
  pflash1: "firmware.nvram",
  smp: "cpuTopology",
  memory: "memory",
  boot: "boot",
  "boot-once": "boot",
};

/**
 * Machine type; `+pve0` and the like are Proxmox's revisions of one. An alias (`pc`, `q35`) is
 * resolved to its versioned name when the guest starts.
 */
export const MachineName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._+-]*$/,
    "expected the name of a machine type, of letters, digits or `._+-`",
  )
  .max(64);

/**
 * Proxmox's revision of a machine type, `+pve0`, which only Proxmox's QEMU takes from the name; the
 * type itself has it not. Empty for other names.
 */
export function proxmoxRevision(machine: string): string {
  return /\+pve\d+$/.exec(machine)?.[0] ?? "";
}

/** Properties of the machine (`-machine pc,acpi=off`). */
export const MachineOptions = Properties.superRefine((options, context) => {
  for (const name of Object.keys(options)) {
    const field = OWN_FIELDS[name.split(".")[0] ?? ""];
    if (field === undefined) continue;
    const message = `expected the field \`${field}\` to say this, got the machine option \`${name}\``;
    context.addIssue({ code: "custom", path: [name], message });
  }
});

/**
 * QEMU CPU model with its features, as in `-cpu` (`host,+x2apic`, libvirt's long lists). QEMU
 * separates features by commas and has no way to escape one (target/i386/cpu.c,
 * x86_cpu_parse_featurestr).
 */
export const CpuModel = z
  .string()
  .regex(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    /^[A-Za-z0-9][A-Za-z0-9._-]*(,[+-]?[A-Za-z0-9][A-Za-z0-9._-]*(=[^,\x00-\x1f\x7f]*)?)*$/,
    "expected a CPU model and features separated by commas, each `+name`, `-name`, `name` or `name=value`",
  )
  .max(16_384);

const count = z.int().min(1).max(4_096);

/** How the vCPUs are arranged (`-smp`), and how many can be plugged in. */
export const CpuTopology = z.strictObject({
  /** vCPUs that the guest may have after hotplug. Default: `cpus`. */
  maxCpus: count.optional(),
  sockets: count.optional(),
  dies: count.optional(),
  /** From QEMU 9.2 on. */
  modules: count.optional(),
  /** Not on x86. */
  clusters: count.optional(),
  cores: count.optional(),
  threads: count.optional(),
});
export type CpuTopology = z.infer<typeof CpuTopology>;

/** QEMU's real-time clock (`-rtc`). Its state moves with the guest. */
export const Rtc = z.strictObject({
  /** The time at the guest's first start: `utc`, `localtime` or a date. Default: `utc`. */
  base: z
    .string()
    .regex(
      /^(utc|localtime|\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?)$/,
      "expected `utc`, `localtime` or a date such as 2026-11-30T12:00:00",
    )
    .optional(),
  clock: z.enum(["host", "rt", "vm"]).optional(),
  driftfix: z.enum(["none", "slew"]).optional(),
});

/**
 * How the guest boots (`-boot`). There is no `once`: it belongs to one start and not to a guest, and
 * a target would count its start as that one.
 */
export const Boot = z.strictObject({
  /** Drives in their order: `a` floppy, `c` first disk, `d` CD-ROM, `n` network. */
  order: z
    .string()
    .regex(/^[a-p]{1,16}$/, "expected letters from a to p")
    .refine((order) => new Set(order).size === order.length, "expected each drive once")
    .optional(),
  menu: z.boolean().optional(),
  /** Boot from nothing but what has a `bootindex`. */
  strict: z.boolean().optional(),
  splashTimeMs: z.int().min(0).max(65_535).optional(),
  /** How long the BIOS waits before it tries again; -1: it does not. */
  rebootTimeoutMs: z.int().min(-1).max(65_535).optional(),
});

/** A kernel that QEMU loads itself. The files are read at each start, also on the target. */
export const Kernel = z.strictObject({
  path: FilePath,
  initrd: FilePath.optional(),
  append: Text.optional(),
});

/** The firmware: a BIOS file, or flash memory on block devices of the definition. */
export const Firmware = z.union(
  [
    z.strictObject({ bios: FilePath }),
    z.strictObject({
      /** Node name of the block device with the firmware's code (flash 0). */
      code: PartId,
      /** Node name of the block device with its variables (flash 1); shared as a disk is. */
      nvram: PartId.optional(),
    }),
  ],
  "expected either `bios`, a file, or `code` and perhaps `nvram`, node names",
);

/** What QEMU does at an event of the guest (`-action`). */
export const Actions = z.strictObject({
  reboot: z.enum(["reset", "shutdown"]).optional(),
  /** `pause` keeps QEMU when the guest powers off, as `-no-shutdown` does. */
  shutdown: z.enum(["poweroff", "pause"]).optional(),
  /** Needs a device that tells of a panic, such as `pvpanic`. */
  panic: z.enum(["pause", "shutdown", "exit-failure", "none"]).optional(),
  /** Needs a watchdog device, such as `i6300esb`. */
  watchdog: z
    .enum(["reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi"])
    .optional(),
});
