import type { ParameterValue } from "../protocol/probe.ts";
import { capabilities } from "../qemu/capabilities.ts";
import { capabilityRules } from "../qemu/capability-rules.ts";
import { findFlag, flagName } from "../qemu/libvirt-flags.ts";
import { copiedNames, STORAGE_FIELD } from "./copies.ts";
import type { MigrationPolicy } from "./policy.ts";
import { TLS_OBJECT } from "./tls.ts";

/** How much a capability is wanted; `default`: the policy is silent, and it is on if possible. */
export type Wish = {
  readonly strength: "forbid" | "default" | "ask" | "require";
  /** The policy field that it comes from; absent for a default. */
  readonly field?: string;
};

export type Wishes = {
  readonly capabilities: ReadonlyMap<string, Wish>;
  /** Parameters of the policy, unchecked. */
  readonly parameters: ReadonlyMap<string, { value: ParameterValue; field: string }>;
};

const STRENGTHS = ["forbid", "default", "ask", "require"] as const;

/** Of two wishes, whether the first one is the stronger. `forbid` is not compared. */
export function isStronger(one: Wish, other: Wish): boolean {
  return STRENGTHS.indexOf(one.strength) > STRENGTHS.indexOf(other.strength);
}

/** The field that asks for what a ladder needs. */
export const LADDER_FIELD = "policy.convergence.ladder";

const ON_BY_DEFAULT = ["events", "return-path", "switchover-ack"];

/** The whole policy, libvirt's flags and QEMU's names, in one form. */
export function readWishes(policy: MigrationPolicy): Wishes {
  const wishes = new Map<string, Wish>(
    ON_BY_DEFAULT.map((name) => [name, { strength: "default" as const }]),
  );
  const add = (name: string, wish: Wish) => {
    const known = wishes.get(name);
    if (known?.strength === "forbid") return;
    if (!known || wish.strength === "forbid" || isStronger(wish, known)) wishes.set(name, wish);
  };
  for (const [name, strength] of Object.entries(policy.capabilities)) {
    add(name, { strength, field: `policy.capabilities.${name}` });
  }
  for (const [name, wish] of flagWishes(policy)) add(name, wish);
  // Last, so that a wish of the caller's own keeps its field and is on from the start.
  if (policy.convergence.ladder !== "none") {
    add("auto-converge", { strength: "ask", field: LADDER_FIELD });
  }
  if (policy.convergence.ladder === "post-copy") {
    add("postcopy-ram", { strength: "ask", field: LADDER_FIELD });
  }
  if (copiedNames(policy).length > 0) {
    add("pause-before-switchover", { strength: "require", field: STORAGE_FIELD });
  }
  return {
    capabilities: requireNeeded(wishes),
    parameters: readParameters(policy),
  };
}

/** The wishes that the policy's flags stand for. */
export function flagWishes({ flags, parameters }: MigrationPolicy): [string, Wish][] {
  const isParallel = flags.some((flag) => flagName(flag) === "PARALLEL");
  const isCompressedByMultifd =
    isParallel && (parameters["multifd-compression"] ?? "none") !== "none";
  return flags.flatMap((text) => {
    const flag = findFlag(text);
    if (flag?.name === "COMPRESSED" && isCompressedByMultifd) return [];
    return Object.entries(flag?.wishes ?? {}).map(([name, strength]): [string, Wish] => [
      name,
      { strength, field: `policy.flags.${flag?.name}` },
    ]);
  });
}

/** A required capability makes those required that it needs, where they are wanted at all. */
function requireNeeded(wishes: ReadonlyMap<string, Wish>): ReadonlyMap<string, Wish> {
  const found = new Map(wishes);
  for (let round = 0; round < capabilities.length; round += 1) {
    for (const rule of capabilityRules) {
      const wish = found.get(rule.capability);
      const needed = found.get(rule.other);
      if (rule.kind !== "requires" || wish?.strength !== "require") continue;
      if (needed && needed.strength !== "forbid") found.set(rule.other, maxOf(needed, wish));
    }
  }
  return found;
}

function maxOf(one: Wish, other: Wish): Wish {
  return isStronger(other, one) ? other : one;
}

function readParameters(policy: MigrationPolicy): Wishes["parameters"] {
  const given = new Map(
    Object.entries(policy.parameters).map(([name, value]) => [
      name,
      { value, field: `policy.parameters.${name}` },
    ]),
  );
  if (policy.downtimeLimitMs !== undefined) {
    given.set("downtime-limit", {
      value: policy.downtimeLimitMs,
      field: "policy.downtimeLimitMs",
    });
  }
  const bandwidth = policy.maxBandwidthBytesPerSecond;
  if (bandwidth !== undefined) {
    given.set("max-bandwidth", { value: bandwidth, field: "policy.maxBandwidthBytesPerSecond" });
  }
  if (policy.tls !== "off") given.set("tls-creds", { value: TLS_OBJECT, field: "policy.tls" });
  return given;
}
