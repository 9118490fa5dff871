import { atLeast, isPresent, type Lifetime, type Version } from "./version.ts";

/** Every migration capability from QEMU 7.2 to 11.1, in the order in which QEMU lists them. */
const capabilities: ReadonlyArray<Lifetime & { readonly name: string }> = [
  { name: "xbzrle" },
  { name: "rdma-pin-all" },
  { name: "auto-converge" },
  { name: "zero-blocks", removed: "11.0" },
  { name: "compress", removed: "9.1" },
  { name: "events" },
  { name: "postcopy-ram" },
  { name: "x-colo" },
  { name: "release-ram" },
  { name: "block", removed: "9.1" },
  { name: "return-path" },
  { name: "pause-before-switchover" },
  { name: "multifd" },
  { name: "dirty-bitmaps" },
  { name: "postcopy-blocktime" },
  { name: "late-block-activate" },
  { name: "x-ignore-shared" },
  { name: "validate-uuid" },
  { name: "background-snapshot" },
  { name: "zero-copy-send" },
  { name: "postcopy-preempt" },
  { name: "switchover-ack", since: "8.1" },
  { name: "dirty-limit", since: "8.1" },
  { name: "mapped-ram", since: "9.0" },
];

/** In the order in which QEMU checks them. */
const snapshotExcludes = [
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

export type CapabilitySet = Readonly<Record<string, boolean>>;

/** Circumstances that the rules depend on besides the set itself. */
export type CapabilityContext = {
  readonly version: Version;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The dirty ring of `-accel kvm,dirty-ring-size=N`; 0 = none. */
  readonly dirtyRingSize: number;
  /** `migrate-incoming` has been given. */
  readonly isIncomingStarted: boolean;
};

/** The names that `version` knows. */
export function listCapabilities(version: Version): string[] {
  return capabilities.filter((entry) => isPresent(version, entry)).map((entry) => entry.name);
}

/**
 * QEMU's `migrate_caps_check`: undefined when `next` is a legal set, else QEMU's text.
 * Only the resulting set counts, never the order of the changes.
 */
export function checkCapabilities(
  previous: CapabilitySet,
  next: CapabilitySet,
  context: CapabilityContext,
): string | undefined {
  return (
    checkPostcopy(next, context) ??
    checkSnapshot(next) ??
    checkZeroCopy(next, context) ??
    checkPreempt(previous, next, context) ??
    checkMultifd(previous, next, context) ??
    checkReturnPath(next, context) ??
    checkDirtyLimit(next, context) ??
    checkMappedRam(next)
  );
}

/** Parameters that conflict with capabilities; undefined if none does. */
export function checkParameters(
  capabilities: CapabilitySet,
  parameters: Readonly<Record<string, unknown>>,
): string | undefined {
  const isPlain = parameters["multifd-compression"] === "none" && !parameters["tls-creds"];
  if (isPlain) return undefined;
  const rule = "only available for non-compressed non-TLS multifd migration";
  if (capabilities["zero-copy-send"]) return `Zero copy ${rule}`;
  return capabilities["mapped-ram"] ? `Mapped-ram ${rule}` : undefined;
}

function checkPostcopy(next: CapabilitySet, { version }: CapabilityContext): string | undefined {
  if (!next["postcopy-ram"]) return undefined;
  if (next["x-ignore-shared"]) return "Postcopy is not compatible with ignore-shared";
  if (next.multifd && atLeast(version, "8.0") && !atLeast(version, "10.1")) {
    return "Postcopy is not yet compatible with multifd";
  }
  return undefined;
}

function checkSnapshot(next: CapabilitySet): string | undefined {
  if (!next["background-snapshot"]) return undefined;
  const clash = snapshotExcludes.find((name) => next[name]);
  return clash && `Background-snapshot is not compatible with ${clash}`;
}

function checkZeroCopy(next: CapabilitySet, context: CapabilityContext): string | undefined {
  if (!next["zero-copy-send"]) return undefined;
  const { parameters } = context;
  const isPlain =
    next.multifd &&
    !next.compress &&
    !next.xbzrle &&
    parameters["multifd-compression"] === "none" &&
    !parameters["tls-creds"];
  if (isPlain) return undefined;
  return "Zero copy only available for non-compressed non-TLS multifd migration";
}

function checkPreempt(
  previous: CapabilitySet,
  next: CapabilitySet,
  context: CapabilityContext,
): string | undefined {
  if (!next["postcopy-preempt"]) return undefined;
  if (!next["postcopy-ram"]) return "Postcopy preempt requires postcopy-ram";
  if (next.compress) return "Postcopy preempt not compatible with compress";
  if (previous["postcopy-preempt"] || !isTooLate(context)) return undefined;
  return "Postcopy preempt must be set before incoming starts";
}

function checkMultifd(
  previous: CapabilitySet,
  next: CapabilitySet,
  context: CapabilityContext,
): string | undefined {
  if (!next.multifd) return undefined;
  if (next.compress) return "Multifd is not compatible with compress";
  if (next.xbzrle && atLeast(context.version, "8.0"))
    return "Multifd is not compatible with xbzrle";
  if (previous.multifd || !isTooLate(context)) return undefined;
  return "Multifd must be set before incoming starts";
}

/** 7.2 accepts the late change, and then breaks the migration. */
function isTooLate({ isIncomingStarted, version }: CapabilityContext): boolean {
  return isIncomingStarted && atLeast(version, "8.0");
}

function checkReturnPath(next: CapabilitySet, { version }: CapabilityContext): string | undefined {
  if (next["return-path"]) return undefined;
  if (next["switchover-ack"]) {
    return "Capability 'switchover-ack' requires capability 'return-path'";
  }
  if (next["x-colo"] && atLeast(version, "11.1")) {
    return "Capability 'x-colo' requires capability 'return-path'";
  }
  return undefined;
}

function checkDirtyLimit(next: CapabilitySet, context: CapabilityContext): string | undefined {
  if (!next["dirty-limit"]) return undefined;
  if (next["auto-converge"]) {
    return "dirty-limit conflicts with auto-converge either of then available currently";
  }
  if (context.dirtyRingSize > 0) return undefined;
  return "dirty-limit requires KVM with accelerator property 'dirty-ring-size' set";
}

function checkMappedRam(next: CapabilitySet): string | undefined {
  if (!next["mapped-ram"]) return undefined;
  if (next.xbzrle) return "Mapped-ram migration is incompatible with xbzrle";
  if (next["postcopy-ram"]) return "Mapped-ram migration is incompatible with postcopy";
  return undefined;
}
