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

const shareDisks = "Put the disks on storage that both hosts share, and leave the flag out";

/** In the order of libvirt's enumeration. */
export const libvirtFlags: readonly LibvirtFlag[] = [
  { name: "LIVE", always: "the guest always runs while its memory moves" },
  { name: "PEER2PEER", always: "the agents of the two hosts always talk to each other" },
  {
    name: "TUNNELLED",
    refusal: {
      why: "the stream always goes from QEMU to QEMU over the migration network",
      cure: "Omit the flag, and set `policy.tls` where that network is not trusted",
    },
  },
  { name: "PERSIST_DEST", always: "a VM's definition always belongs to the fleet, not to a host" },
  { name: "UNDEFINE_SOURCE", always: "the finished source process is always discarded" },
  {
    name: "PAUSED",
    refusal: {
      why: "the guest goes on as it was: a running one runs, a paused one stays paused",
      cure: "Pause the guest before the migration, and leave the flag out",
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
      cure: "Leave the flag out; a refusal names what is unsafe",
    },
  },
  {
    name: "OFFLINE",
    refusal: {
      why: "only a VM with a process can be moved",
      cure: "Start the VM on the target host instead",
    },
  },
  { name: "COMPRESSED", wishes: { xbzrle: "require" } },
  {
    name: "ABORT_ON_ERROR",
    refusal: {
      why: "a disk error of the guest does not end its migration: the guest moves in the state it is in",
      cure: "Leave the flag out, and cancel the migration when such an error is seen",
    },
  },
  { name: "AUTO_CONVERGE", wishes: { "auto-converge": "require" } },
  {
    name: "RDMA_PIN_ALL",
    refusal: { why: "the rdma transport is not used here", cure: "Leave the flag out" },
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
      why: "it goes on with a broken postcopy; here each migration is a new one",
      cure: "Leave the flag out",
    },
  },
  { name: "ZEROCOPY", wishes: { "zero-copy-send": "require" } },
  { name: "SWITCHOVER_ACK", wishes: { "switchover-ack": "require" } },
];

/** Rules between flags, as libvirt checks them (src/qemu/qemu_migration.c). */
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

/** With or without `VIR_MIGRATE_`, in upper or lower case, `-` for `_` as in virsh. */
export function findFlag(text: string): LibvirtFlag | undefined {
  return byName.get(flagName(text));
}

export function flagName(text: string): string {
  return text
    .trim()
    .toUpperCase()
    .replaceAll("-", "_")
    .replace(/^VIR_MIGRATE_/, "");
}
