import * as z from "zod";
import { COPIES_MAX, SourceDisk, TargetDisk } from "../storage-copy/copied-disk.ts";
import { CpuModels, HostCpu } from "./host-cpu.ts";
import { HostMemory } from "./host-memory.ts";

/** JSON scalars that QEMU uses for migration parameters. Integers above 2^53 come as strings. */
export const ParameterValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);
export type ParameterValue = z.infer<typeof ParameterValue>;

export const QemuVersion = z.strictObject({
  major: z.int().nonnegative(),
  minor: z.int().nonnegative(),
  micro: z.int().nonnegative(),
  /** The distribution's package string; may be empty. */
  package: z.string().default(""),
});
export type QemuVersion = z.infer<typeof QemuVersion>;

export const MachineType = z.strictObject({
  name: z.string(),
  alias: z.string().optional(),
  deprecated: z.boolean().default(false),
  /**
   * The effective default of `migration.switchover-ack-legacy` for this machine type, from
   * `query-machines compat-props` (QEMU 9.1 and newer); absent where QEMU does not report it.
   */
  switchoverAckLegacy: z.boolean().optional(),
});
export type MachineType = z.infer<typeof MachineType>;

/** What a QEMU binary supports. Agents cache it by the identity of the file. */
export const QemuProbe = z.strictObject({
  /** Path, size and modification time of the binary: the cache key. */
  binary: z.string(),
  version: QemuVersion,
  /** `query-target`, e.g. `x86_64`. */
  architecture: z.string(),
  capabilities: z.array(z.string()),
  /** Names of the migration parameters with the values `query-migrate-parameters` reports. */
  parameters: z.record(z.string(), ParameterValue),
  /** Dozens; in the answer to a probe only the guest's own, if it is known. */
  machines: z.array(MachineType),
  /** Values of `multifd-compression` in this build (`query-qmp-schema`). */
  multifdCompression: z.array(z.string()),
  /** `migrate-incoming` has `exit-on-error` (QEMU 9.1 and newer). */
  exitOnError: z.boolean(),
  /** Properties of `vfio-pci` in this build; empty if it has no such device. */
  vfioProperties: z.array(z.string()),
  /** Kinds of TLS credentials in this build; absent if an older agent did not probe them. */
  tlsCredentials: z.array(z.string()).optional(),
  /** The `log` trace backend is built in: trace events can be read from a file. */
  traceLog: z.boolean(),
});
export type QemuProbe = z.infer<typeof QemuProbe>;

/** How the stream can be encrypted: QEMU's `tls-creds-psk` or `tls-creds-x509`. */
export const TlsKind = z.enum(["psk", "x509"]);
export type TlsKind = z.infer<typeof TlsKind>;

/** A VFIO device of the guest. */
export const VfioDevice = z.strictObject({
  /** The device's id, or its QOM path if it has none. */
  id: z.string(),
  type: z.string(),
  /** The class that load times are learned for, e.g. `pci 15b3:101e` or `mdev mtty-1`. */
  deviceClass: z.string().optional(),
  /** Values of `qom-get`, only those about migration. */
  properties: z.record(z.string(), ParameterValue),
});
export type VfioDevice = z.infer<typeof VfioDevice>;

/** The guest and its QEMU, as the source's agent observes them. */
export const SourceProbe = z.strictObject({
  qemu: QemuProbe,
  /** The resolved machine type, e.g. `pc-i440fx-10.0`; never an alias. */
  machineType: z.string(),
  accelerator: z.enum(["tcg", "kvm"]),
  /** KVM's `dirty-ring-size` is set, which the capability `dirty-limit` requires. */
  dirtyRing: z.boolean(),
  /** query-status, e.g. `running`. */
  runState: z.string(),
  /** query-migrate status, `none` before the first migration. */
  migrationStatus: z.string(),
  memoryBytes: z.int().nonnegative(),
  cpus: z.int().positive(),
  cpuModel: z.string().optional(),
  uuid: z.string().optional(),
  vfioDevices: z.array(VfioDevice),
  /** `blocked-reasons` of `query-migrate`; with any of them QEMU refuses `migrate`. */
  blockers: z.array(z.string()),
  /** Block jobs that run (`query-jobs`); absent if an older agent did not probe them. */
  jobs: z
    .array(
      z.strictObject({
        id: z.string().max(256),
        type: z.string().max(64),
        status: z.string().max(64),
      }),
    )
    .max(100)
    .optional(),
  /** The guest's disks, where the migration is to copy some. */
  disks: z.array(SourceDisk).max(100).optional(),
  /** Hooks of this host that need a capability. */
  hooks: z.array(z.enum(["preSwitchover"])).optional(),
  host: HostCpu.optional(),
  /** As the target has it; absent where the guest's QEMU is not the one that the agent starts. */
  cpuModels: CpuModels.optional(),
  /** Ways in which this side can encrypt the stream. */
  tls: z.array(TlsKind).optional(),
  /** Speed of the host's link to the migration network, B/s. */
  linkBytesPerSecond: z.int().positive().optional(),
});
export type SourceProbe = z.infer<typeof SourceProbe>;

/** The target host, as its agent observes it, without a guest. */
export const TargetProbe = z.strictObject({
  qemu: QemuProbe,
  /** Memory of this host that no guest has yet. */
  memoryFreeBytes: z.int().nonnegative(),
  /** The host's memory as it is; absent: an older agent, or the target was started already. */
  memory: HostMemory.optional(),
  accelerators: z.array(z.enum(["tcg", "kvm"])),
  /** The host already has a process for this VM, left over or running. */
  vmPresent: z.boolean(),
  /** userfaultfd can be used, which `postcopy-ram` requires on the target. */
  userfaultfd: z.boolean(),
  /** Speed of the host's link to the migration network, B/s. */
  linkBytesPerSecond: z.int().positive().optional(),
  host: HostCpu.optional(),
  /** What its guests' CPUs can be with the guest's accelerator; of those it lacks, only the guest's. */
  cpuModels: CpuModels.optional(),
  /** Host resources of the guest's definition that this host does not have. */
  missingResources: z.array(z.string()).default([]),
  /** Parts of the guest's definition that this host does not allow; older agents allow all. */
  refusedParts: z.array(z.string()).optional(),
  /** Ways in which this side can encrypt the stream. */
  tls: z.array(TlsKind).optional(),
  /** Where it would make the images of the disks that the migration is to copy. */
  copies: z.array(TargetDisk).max(COPIES_MAX).optional(),
  /** Why it cannot listen for a migration on its address and ports; absent where it can. */
  cannotListen: z.string().max(500).optional(),
});
export type TargetProbe = z.infer<typeof TargetProbe>;
