import { z } from "zod";

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
   * `query-machines compat-props` (QEMU 9.1+); absent when QEMU cannot tell.
   */
  switchoverAckLegacy: z.boolean().optional(),
});
export type MachineType = z.infer<typeof MachineType>;

/** What a QEMU binary can do; the same for each process of it, so it is cached by file identity. */
export const QemuProbe = z.strictObject({
  /** Path, size and modification time of the binary: the cache key. */
  binary: z.string(),
  version: QemuVersion,
  /** `query-target`, e.g. `x86_64`. */
  architecture: z.string(),
  capabilities: z.array(z.string()),
  /** Names of the migration parameters with the values `query-migrate-parameters` reports. */
  parameters: z.record(z.string(), ParameterValue),
  /** In the answer to a probe only the guest's own, where it is known: there are dozens. */
  machines: z.array(MachineType),
  /** Values `multifd-compression` accepts in this build (query-qmp-schema). */
  multifdCompression: z.array(z.string()),
  /** `migrate-incoming` knows `exit-on-error` (9.1+). */
  exitOnError: z.boolean(),
  /** Properties of `vfio-pci` in this build; empty when the device does not exist. */
  vfioProperties: z.array(z.string()),
  /** Kinds of TLS credentials this build has; absent: an older agent did not ask. */
  tlsCredentials: z.array(z.string()).optional(),
  /** The `log` trace backend is built in, so trace events can be read from a file. */
  traceLog: z.boolean(),
});
export type QemuProbe = z.infer<typeof QemuProbe>;

/** How the stream can be encrypted: QEMU's `tls-creds-psk` or `tls-creds-x509`. */
export const TlsKind = z.enum(["psk", "x509"]);
export type TlsKind = z.infer<typeof TlsKind>;

export const VfioDevice = z.strictObject({
  /** The device's id, or its QOM path when it has none. */
  id: z.string(),
  type: z.string(),
  /** What load times are learned by, e.g. `pci 15b3:101e` or `mdev mtty-1`. */
  deviceClass: z.string().optional(),
  /** Values read by qom-get; only the migration related ones. */
  properties: z.record(z.string(), ParameterValue),
});
export type VfioDevice = z.infer<typeof VfioDevice>;

/** The running guest as the source agent sees it. */
export const SourceProbe = z.strictObject({
  qemu: QemuProbe,
  /** The resolved machine type, e.g. `pc-i440fx-10.0`; never an alias. */
  machineType: z.string(),
  accelerator: z.enum(["tcg", "kvm"]),
  /** KVM's dirty-ring-size is set (needed by the capability dirty-limit). */
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
  /** `blocked-reasons` of query-migrate; not empty means `migrate` would be refused. */
  blockers: z.array(z.string()),
  /** Hooks of this host that a migration has to be made ready for. */
  hooks: z.array(z.enum(["preSwitchover"])).optional(),
  /** Ways in which this end can encrypt the stream. */
  tls: z.array(TlsKind).optional(),
  /** What the link of the migration network gives, B/s. */
  linkBytesPerSecond: z.int().positive().optional(),
});
export type SourceProbe = z.infer<typeof SourceProbe>;

/** The target host as its agent sees it, without a guest. */
export const TargetProbe = z.strictObject({
  qemu: QemuProbe,
  /** Memory that may still be given to guests on this host. */
  memoryFreeBytes: z.int().nonnegative(),
  accelerators: z.array(z.enum(["tcg", "kvm"])),
  /** The host already has a process for this VM (left-over or running). */
  vmPresent: z.boolean(),
  /** userfaultfd is usable (needed by postcopy-ram on the target). */
  userfaultfd: z.boolean(),
  /** What the link of the migration network gives, B/s. */
  linkBytesPerSecond: z.int().positive().optional(),
  /** The CPU model of the guest is fully available; absent when QEMU cannot tell. */
  cpuModelAvailable: z.boolean().optional(),
  /** Host resources that the guest's definition names and this host does not have. */
  missingResources: z.array(z.string()).default([]),
  /** Ways in which this end can encrypt the stream. */
  tls: z.array(TlsKind).optional(),
});
export type TargetProbe = z.infer<typeof TargetProbe>;
