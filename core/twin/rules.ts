import type { PartKind } from "./reading.ts";

/**
 * Says which differences are no blockers. `part` and `property` match the whole name; without them, any
 * name. The first rule that matches counts; a difference that no rule matches is a blocker.
 *
 * - `unread`: it is not reported. The guest or the time sets it, so the two sides may differ at any
 *   moment; it is not even read where that saves a call.
 * - `harmless`: it is reported with its reason.
 */
export type Rule = {
  readonly kind: PartKind;
  readonly part?: RegExp;
  readonly property?: RegExp;
  readonly verdict: "unread" | "harmless";
  readonly reason: string;
  /** Only where the two QEMUs are of different versions. */
  readonly versionsDiffer?: true;
  /** Only for numbers that differ by at most so many millionths of the source's. */
  readonly withinPpm?: number;
};

const HOST_MEMORY = "how the host backs the memory; the guest does not see it";

/**
 * Tried on QEMU 7.2.22, 10.0.2 and 11.1.3 (TCG): equal machines of `npm run test:twin`, running and
 * paused, of one version and of two. Others are read in QEMU's source; the file is named.
 */
export const rules: readonly Rule[] = [
  unread("device", /^(smb_io_base|pm_io_base|gpe0_blk)$/, "the firmware programs the port"),
  unread("device", /^(MCFG|mcfg_size)$/, "the firmware programs the address"),
  unread("device", /^busnr$/, "the firmware numbers the PCI buses"),
  unread("machine", /^rtc-time$/, "the guest's clock"),
  harmless("device", /^id$/, "the stream names devices by their place, not by their id"),
  harmless(
    "device",
    /^(iothread|iothread-vq-mapping)$/,
    "which host thread serves the device is not part of its state",
  ),
  harmless(
    "device",
    /^(l?cyls|l?heads|l?secs|bios-chs-trans)$/,
    "QEMU guesses the geometry from the partition table when it starts (hw/block/hd-geometry.c); the guest's copy travels with the device",
  ),
  betweenVersions("device", /^events$/, "a newer QEMU offers one more event, not in the stream"),
  betweenVersions(
    "device",
    /^rombar$/,
    "newer QEMUs say -1 where it is not set, which is on; the ROM itself is compared as a RAM block",
  ),
  betweenVersions(
    "vCPUs",
    /^feature (ht|cmp[-_]legacy|legacy-.*|x-.*)$/,
    "older QEMUs set these bits when the guest reads CPUID, newer ones before (target/i386/cpu.c); the guest sees the same",
  ),
  {
    ...harmless(
      "vCPUs",
      /^tsc-frequency$/,
      "each host measures its TSC anew; QEMU takes up to 250 ppm for the same (target/i386/kvm/kvm.c)",
    ),
    withinPpm: 250,
  },
  harmless(
    "machine",
    /^(dump-guest-core|mem-merge|aux-ram-share)$/,
    "how the host treats the memory; the guest does not see it",
  ),
  harmless("machine", /^memory-backend$/, "RAM blocks are compared by their own names and sizes"),
  {
    ...harmless("memory", /^(share|merge|dump|prealloc|reserve|policy|host-nodes)$/, HOST_MEMORY),
    part: /^backend .*$/,
  },
  harmless("chardev", /^(kind)?$/, "the other end of a character device belongs to the host"),
  harmless("object", /^(type)?$/, "an object of the host: the devices that use it are compared"),
];

function unread(kind: PartKind, property: RegExp, reason: string): Rule {
  return { kind, property, verdict: "unread", reason };
}

function harmless(kind: PartKind, property: RegExp, reason: string): Rule {
  return { kind, property, verdict: "harmless", reason };
}

function betweenVersions(kind: PartKind, property: RegExp, reason: string): Rule {
  return { ...harmless(kind, property, reason), versionsDiffer: true };
}

export type RuleCase = {
  readonly kind: PartKind;
  readonly part: string;
  /** Empty: one side lacks the whole part. */
  readonly property: string;
  readonly versionsDiffer: boolean;
  /** What the two sides have; absent where nobody knows it yet. */
  readonly source?: string | null;
  readonly target?: string | null;
};

export function ruleOf(difference: RuleCase): Rule | undefined {
  const { kind, part, property, versionsDiffer } = difference;
  return rules.find(
    (rule) =>
      rule.kind === kind &&
      (rule.part?.test(part) ?? true) &&
      (rule.property?.test(property) ?? true) &&
      (rule.versionsDiffer !== true || versionsDiffer) &&
      (rule.withinPpm === undefined || isWithin(rule.withinPpm, difference)),
  );
}

function isWithin(ppm: number, { source, target }: RuleCase): boolean {
  if (typeof source !== "string" || typeof target !== "string") return false;
  const ours = Number(source);
  return ours > 0 && Math.abs(Number(target) - ours) * 1e6 <= ours * ppm;
}

/** Whether a reading needs the property at all. */
export function isRead(kind: PartKind, property: string): boolean {
  const rule = ruleOf({ kind, part: "", property, versionsDiffer: false });
  return rule?.verdict !== "unread";
}

/** What to do about a difference of a kind. */
export const cures: Readonly<Record<PartKind, string>> = {
  machine: "give the VM's definition the machine properties of the running guest",
  vCPUs:
    "give the definition the CPU model, the features and the topology of the running guest; `host` and `max` are the same only on equal hosts with equal QEMUs",
  memory: "give the definition the memory of the running guest: its size, DIMMs and ROM files",
  device:
    "bring the definition in step with the running guest: a device that was added or removed while it ran, or a property, is missing there",
  disk: "bring the definition in step with the running guest: its disk has another chain of images after a snapshot, a mirror or a change of media; or commit the snapshot",
  "network peer": "give the network device on both hosts a backend of the same kind",
  chardev: "give the definition the character device of the running guest",
  object: "give the definition the object of the running guest",
};
