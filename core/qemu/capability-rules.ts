import type { ParameterValue, QemuVersion } from "../protocol/probe.ts";
import { capabilities, findCapability } from "./capabilities.ts";
import { existsIn, type Lifetime } from "./version.ts";

/** A condition between two capabilities (QEMU migration/options.c, migrate_caps_check). */
export type CapabilityRule = Lifetime & {
  readonly kind: "requires" | "excludes";
  readonly capability: string;
  readonly other: string;
  /** QEMU's exact text. */
  readonly error: string;
};

/** What the conditions depend on besides capabilities. */
export type RuleContext = {
  readonly version: QemuVersion;
  readonly accelerator: "tcg" | "kvm";
  /** KVM's dirty-ring-size is set. */
  readonly dirtyRing: boolean;
  /** Of these, `multifd-compression` and `tls-creds` are read. */
  readonly parameters: Readonly<Record<string, ParameterValue>>;
};

/** A condition that a set of capabilities does not meet. */
export type Violation = {
  /** The capability at fault, and the other one of a rule between two. */
  readonly capability: string;
  readonly other?: string;
  readonly kind: "requires" | "excludes" | "absent" | "condition";
  /** QEMU's exact text. */
  readonly error: string;
};

const ZERO_COPY = "Zero copy only available for non-compressed non-TLS multifd migration";
const DIRTY_RING = "dirty-limit requires KVM with accelerator property 'dirty-ring-size' set";

const excludes = (
  capability: string,
  other: string,
  error: string,
  life: Lifetime = {},
): CapabilityRule => ({ kind: "excludes", capability, other, error, ...life });
const requires = (
  capability: string,
  other: string,
  error: string,
  life: Lifetime = {},
): CapabilityRule => ({ kind: "requires", capability, other, error, ...life });
const needs = (capability: string, other: string, life: Lifetime = {}) =>
  requires(capability, other, `Capability '${capability}' requires capability '${other}'`, life);

/** QEMU migration/options.c, check_caps_background_snapshot. */
const excludedBySnapshot = [
  "postcopy-ram",
  "dirty-bitmaps",
  "postcopy-blocktime",
  "late-block-activate",
  "return-path",
  "multifd",
  "pause-before-switchover",
  "auto-converge",
  "release-ram",
  "rdma-pin-all",
  "compress",
  "xbzrle",
  "x-colo",
  "validate-uuid",
  "zero-copy-send",
];

/** In QEMU's order: QEMU reports the first one that is broken. */
export const capabilityRules: readonly CapabilityRule[] = [
  needs("x-colo", "return-path", { since: "11.1" }),
  excludes("postcopy-ram", "x-ignore-shared", "Postcopy is not compatible with ignore-shared"),
  excludes("postcopy-ram", "multifd", "Postcopy is not yet compatible with multifd", {
    since: "8.0",
    removed: "10.1",
  }),
  ...excludedBySnapshot.map((other) =>
    excludes("background-snapshot", other, `Background-snapshot is not compatible with ${other}`),
  ),
  requires("zero-copy-send", "multifd", ZERO_COPY),
  excludes("zero-copy-send", "compress", ZERO_COPY),
  excludes("zero-copy-send", "xbzrle", ZERO_COPY),
  requires("postcopy-preempt", "postcopy-ram", "Postcopy preempt requires postcopy-ram"),
  excludes("postcopy-preempt", "compress", "Postcopy preempt not compatible with compress"),
  excludes("multifd", "compress", "Multifd is not compatible with compress"),
  needs("switchover-ack", "return-path"),
  excludes(
    "dirty-limit",
    "auto-converge",
    "dirty-limit conflicts with auto-converge either of then available currently",
  ),
  excludes("multifd", "xbzrle", "Multifd is not compatible with xbzrle", { since: "8.2" }),
  excludes("compress", "xbzrle", "Compression is not compatible with xbzrle", { since: "8.2" }),
  excludes("mapped-ram", "xbzrle", "Mapped-ram migration is incompatible with xbzrle"),
  excludes("mapped-ram", "postcopy-ram", "Mapped-ram migration is incompatible with postcopy"),
];

/**
 * What QEMU's `migrate-set-capabilities` finds wrong with this resulting set, in QEMU's order: the
 * first entry's `error` is QEMU's answer. Empty: QEMU accepts it. Tried with every capability and
 * every pair on QEMU 7.2, 10.0 and 11.1, on a source and on a target.
 *
 * Not covered, as it depends on the host: userfaultfd (`postcopy-ram` on a target,
 * `background-snapshot` on a source).
 */
export function checkCapabilities(on: ReadonlySet<string>, context: RuleContext): Violation[] {
  const absent = [...on]
    .filter((name) => !existsInVersion(name, context.version))
    .map((capability) => ({
      kind: "absent" as const,
      capability,
      error: `Parameter 'capability' does not accept value '${capability}'`,
    }));
  if (absent.length > 0) return absent;
  return capabilityRules.flatMap((rule) => [
    ...(isBroken(rule, on, context.version) ? [violationOf(rule)] : []),
    ...conditionsAfter(rule, on, context),
  ]);
}

function existsInVersion(name: string, version: QemuVersion): boolean {
  const capability = findCapability(name);
  return capability !== undefined && existsIn(capability, version);
}

function isBroken(rule: CapabilityRule, on: ReadonlySet<string>, version: QemuVersion): boolean {
  if (!existsIn(rule, version) || !on.has(rule.capability)) return false;
  return rule.kind === "requires" ? !on.has(rule.other) : on.has(rule.other);
}

function violationOf({ kind, capability, other, error }: CapabilityRule): Violation {
  return { kind, capability, other, error };
}

/** Conditions that do not concern capabilities only, in the place where QEMU checks them. */
function conditionsAfter(
  rule: CapabilityRule,
  on: ReadonlySet<string>,
  { accelerator, dirtyRing, parameters }: RuleContext,
): Violation[] {
  if (!on.has(rule.capability)) return [];
  if (rule.capability === "zero-copy-send" && rule.other === "xbzrle") {
    const compressed = (parameters["multifd-compression"] ?? "none") !== "none";
    const encrypted = Boolean(parameters["tls-creds"]);
    if (!compressed && !encrypted) return [];
    return [{ kind: "condition", capability: rule.capability, error: ZERO_COPY }];
  }
  if (rule.capability === "dirty-limit" && (accelerator !== "kvm" || !dirtyRing)) {
    return [{ kind: "condition", capability: rule.capability, error: DIRTY_RING }];
  }
  return [];
}

/** Names of the capabilities that a version of QEMU has. */
export function capabilitiesOf(version: QemuVersion): string[] {
  return capabilities
    .filter((capability) => existsIn(capability, version))
    .map((capability) => capability.name);
}

/** The capabilities without which QEMU refuses this one, in any version. */
export function neededBy(name: string): string[] {
  return capabilityRules
    .filter(({ kind, capability }) => kind === "requires" && capability === name)
    .map(({ other }) => other);
}
