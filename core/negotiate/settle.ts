import type { ParameterValue, QemuProbe } from "../protocol/probe.ts";
import { type Capability, capabilities } from "../qemu/capabilities.ts";
import { checkCapabilities, type Violation } from "../qemu/capability-rules.ts";
import { versionText } from "../qemu/version.ts";
import { ackDisagreement } from "./ack.ts";
import type { Blocker } from "./agreement.ts";
import { type BothSides, onAt, SIDES } from "./sides.ts";
import { isStronger, type Wish, type Wishes } from "./wishes.ts";

export type SettleInput = BothSides & { wishes: Wishes };

export type Settlement = {
  /** On for the migration; the capability's `side` determines where it is switched on. */
  on: ReadonlySet<string>;
  /** Wanted but off, and why. */
  off: ReadonlyMap<string, string>;
  blockers: Blocker[];
};

type Why = { code: string; reason: string; cure: string };

/** First to last, when two wishes of one strength exclude each other. */
const dropOrder = [
  "postcopy-blocktime",
  "postcopy-preempt",
  "zero-copy-send",
  "xbzrle",
  "dirty-limit",
  "multifd",
];

/**
 * From wishes to a set that both QEMUs accept: first drops what one side does not support, then, the
 * weaker wish first, what QEMU's rules do not allow together. A required capability that is dropped
 * is a blocker.
 */
export function settle(input: SettleInput): Settlement {
  const { wishes } = input;
  const on = new Set<string>();
  const off = new Map<string, string>();
  const blockers: Blocker[] = [];
  const drop = (name: string, { code, reason, cure }: Why) => {
    const wish = wishes.capabilities.get(name);
    on.delete(name);
    off.set(name, reason);
    if (wish?.strength !== "require") return;
    const message = `\`${name}\` is required and not possible: ${reason}`;
    blockers.push({ code, ...(wish.field ? { field: wish.field } : {}), message, cure });
  };
  for (const capability of capabilities) {
    const wish = wishes.capabilities.get(capability.name);
    if (wish === undefined || wish.strength === "forbid") continue;
    const why = impossible(capability, input);
    if (why) drop(capability.name, why);
    else on.add(capability.name);
  }
  for (let round = 0; round < capabilities.length; round += 1) {
    const violation = firstViolation(on, input);
    if (violation === undefined) break;
    const loser = loserOf(violation, wishes);
    drop(loser, ruleBroken(loser, violation, wishes));
  }
  return { on, off, blockers };
}

/** Why a capability cannot be on, whatever the others are. */
function impossible(capability: Capability, input: SettleInput): Why | undefined {
  const { name } = capability;
  const { source, target } = input;
  const lacking = lackingSide(capability, source.qemu, target.qemu);
  if (lacking) return lacking;
  if (name === "postcopy-ram" && source.vfioDevices.length > 0) {
    const devices = source.vfioDevices.map((device) => device.id).join(", ");
    const reason = `QEMU refuses postcopy with VFIO devices (${devices})`;
    return { code: "excluded-capability", reason, cure: "Move this guest without `postcopy-ram`" };
  }
  if (name === "postcopy-ram" && !target.userfaultfd) {
    const reason = "userfaultfd cannot be used on the target host";
    const cure =
      "Set the target's sysctl vm.unprivileged_userfaultfd to 1 or give its agent /dev/userfaultfd";
    return { code: "userfaultfd-missing", reason, cure };
  }
  if (name === "switchover-ack") return impossibleAck(input);
  return undefined;
}

function impossibleAck(input: SettleInput): Why | undefined {
  // QEMU requires it at the target too, though only the source uses it.
  if (!input.target.qemu.capabilities.includes("return-path")) {
    const cure = "Use a target whose QEMU has `return-path`";
    return { code: "capability-absent", reason: "the target has no return path", cure };
  }
  const reason = ackDisagreement(input);
  if (reason === undefined) return undefined;
  const cure = "Use the same QEMU on both hosts, or a machine type of up to 11.0";
  return { code: "ack-differs", reason, cure };
}

function lackingSide(
  { name, side, since, removed }: Capability,
  source: QemuProbe,
  target: QemuProbe,
): Why | undefined {
  const probes = { source, target };
  const needed = SIDES.filter((one) => side === "both" || side === "each" || side === one);
  const lacking = needed.filter((one) => !probes[one].capabilities.includes(name));
  if (lacking.length === 0) return undefined;
  const who = lacking
    .map((one) => `the ${one}'s QEMU ${versionText(probes[one].version)}`)
    .join(" and ");
  const life = `${since} and newer${removed ? `, before ${removed},` : ""}`;
  return {
    code: "capability-absent",
    reason: `${who} ${lacking.length > 1 ? "do" : "does"} not have it`,
    cure: `Use hosts with a QEMU that has \`${name}\` (${life} can have it), or only ask for it`,
  };
}

function firstViolation(on: ReadonlySet<string>, input: SettleInput): Violation | undefined {
  const { accelerator, dirtyRing } = input.source;
  const parameters = givenValues(input.wishes);
  const violations = SIDES.flatMap((side) => {
    const { version } = input[side].qemu;
    return checkCapabilities(onAt(side, on), { version, accelerator, dirtyRing, parameters });
  });
  return violations[0];
}

function givenValues({ parameters }: Wishes): Record<string, ParameterValue> {
  return Object.fromEntries([...parameters].map(([name, { value }]) => [name, value]));
}

/** The one to drop: of two that exclude each other, the weaker wish. */
function loserOf({ kind, capability, other }: Violation, { capabilities: wishes }: Wishes): string {
  if (kind !== "excludes" || other === undefined) return capability;
  const one = wishes.get(capability) ?? { strength: "default" };
  const two = wishes.get(other) ?? { strength: "default" };
  if (isStronger(one, two)) return other;
  if (isStronger(two, one)) return capability;
  return rank(other) > rank(capability) ? other : capability;
}

/** Higher: dropped earlier. */
function rank(name: string): number {
  const index = dropOrder.indexOf(name);
  return index === -1 ? 0 : dropOrder.length - index;
}

function ruleBroken(loser: string, violation: Violation, wishes: Wishes): Why {
  const { kind, capability, other, error } = violation;
  const partner = loser === capability ? other : capability;
  const reason = `QEMU says "${error}"`;
  if (kind === "requires") {
    const cure = `Ask for \`${other}\` as well, or omit \`${loser}\``;
    return { code: "missing-prerequisite", reason, cure };
  }
  if (kind === "condition") return { code: "unmet-condition", reason, cure: conditionCure(loser) };
  if (kind === "absent") {
    return { code: "capability-absent", reason, cure: `Omit \`${loser}\`` };
  }
  const field = partnerField(partner, wishes);
  const cure = `Choose one of \`${loser}\` and \`${partner}\`${field}`;
  return { code: "excluded-capability", reason, cure };
}

function partnerField(partner: string | undefined, { capabilities: wishes }: Wishes): string {
  const wish: Wish | undefined = partner === undefined ? undefined : wishes.get(partner);
  return wish?.field ? ` (${wish.field})` : "";
}

function conditionCure(name: string): string {
  if (name === "dirty-limit") {
    return "Start the guest with `-accel kvm,dirty-ring-size=4096`, or use `auto-converge`";
  }
  return `Omit multifd-compression and tls-creds, or \`${name}\``;
}
