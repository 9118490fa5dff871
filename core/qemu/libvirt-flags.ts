import type { Refusal } from "./capabilities.ts";
import type { CapabilityWish } from "./capability-wish.ts";

/**
 * What one of libvirt's `virDomainMigrateFlags` means here: wishes, nothing (`always`: every
 * migration does it), or a refusal. A flag is a demand, as it is in libvirt: what it asks for is
 * required of both sides. Source: libvirt, include/libvirt/libvirt-domain.h.
 */
export type LibvirtFlag = {
  readonly name: string;
  readonly wishes?: Readonly<Record<string, Exclude<CapabilityWish, "forbid">>>;
  /** Accepted without effect, for this reason. */
  readonly always?: string;
  readonly refusal?: Refusal;
};

const shareDisks = "Put the disks on storage that both hosts share, and omit the flag";

/** In the order of libvirt's enumeration. */
export const libvirtFlags: readonly LibvirtFlag[] = [
  { name: "LIVE", always: "the guest always runs while its memory is sent" },
  { name: "PEER2PEER", always: "the agents of the two hosts are always connected" },
  {
    name: "TUNNELLED",
    refusal: {
      why: "the stream always goes from QEMU to QEMU over the migration network",
      cure: "Omit the flag, and set `policy.tls` where that network is not trusted",
    },
  },
  { name: "PERSIST_DEST", always: "a VM's definition always belongs to the fleet, not to a host" },
  { name: "UNDEFINE_SOURCE", always: "the finished source process is always ended" },
  {
    name: "PAUSED",
    refusal: {
      why: "the guest keeps its run state: a running one runs, a paused one stays paused",
      cure: "Pause the guest before the migration, and omit the flag",
    },
  },
  {
    name: "NON_SHARED_DISK",
    refusal: { why: "disks are not copied", cure: shareDisks },
  },
  {
    name: "NON_SHARED_INC",
    refusal: { why: "disks are not copied", cure: shareDisks },
  },
  {
    name: "CHANGE_PROTECTION",
    always: "a VM is always locked against changes while it migrates",
  },
  {
    name: "UNSAFE",
    refusal: {
      why: "no check of safety can be switched off",
      cure: "Omit the flag; a refusal names what is unsafe",
    },
  },
  {
    name: "OFFLINE",
    refusal: {
      why: "only a VM with a process can be migrated",
      cure: "Start the VM on the target host instead",
    },
  },
  { name: "COMPRESSED", wishes: { xbzrle: "require" } },
  {
    name: "ABORT_ON_ERROR",
    refusal: {
      why: "a disk error of the guest does not end its migration",
      cure: "Omit the flag, and cancel the migration when such an error occurs",
    },
  },
  { name: "AUTO_CONVERGE", wishes: { "auto-converge": "require" } },
  {
    name: "RDMA_PIN_ALL",
    refusal: { why: "the rdma transport is not used here", cure: "Omit the flag" },
  },
  { name: "POSTCOPY", wishes: { "postcopy-ram": "require", "postcopy-preempt": "ask" } },
  { name: "TLS" },
  { name: "PARALLEL", wishes: { multifd: "require" } },
  {
    name: "NON_SHARED_SYNCHRONOUS_WRITES",
    refusal: { why: "disks are not copied", cure: shareDisks },
  },
  {
    name: "POSTCOPY_RESUME",
    refusal: {
      why: "it resumes a broken postcopy, which happens here without a request",
      cure: "Omit the flag",
    },
  },
  { name: "ZEROCOPY", wishes: { "zero-copy-send": "require" } },
  { name: "SWITCHOVER_ACK", wishes: { "switchover-ack": "require" } },
];

/** Rules between flags, as libvirt checks them. */
export const flagRules: readonly {
  readonly kind: "requires" | "excludes";
  readonly flag: string;
  readonly other: string;
}[] = [
  { kind: "excludes", flag: "NON_SHARED_DISK", other: "NON_SHARED_INC" },
  { kind: "requires", flag: "ZEROCOPY", other: "PARALLEL" },
  { kind: "requires", flag: "POSTCOPY_RESUME", other: "POSTCOPY" },
];

const byName = new Map(libvirtFlags.map((flag) => [flag.name, flag]));

/** Finds a flag by its name in any of the forms that {@link flagName} accepts. */
export function findFlag(text: string): LibvirtFlag | undefined {
  return byName.get(flagName(text));
}

/** The plain name: without `VIR_MIGRATE_`, in upper case, `_` for the `-` of virsh. */
export function flagName(text: string): string {
  return text
    .trim()
    .toUpperCase()
    .replaceAll("-", "_")
    .replace(/^VIR_MIGRATE_/, "");
}
