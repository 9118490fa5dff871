import type { ParameterValue } from "../protocol/probe.ts";
import { capabilities } from "../qemu/capabilities.ts";
import { capabilityRules } from "../qemu/capability-rules.ts";
import { findFlag, flagName } from "../qemu/libvirt-flags.ts";
import type { MigrationPolicy } from "./policy.ts";
import { TLS_OBJECT } from "./tls.ts";

/** How much a capability is wanted; `default`: nobody said anything, and it is on if possible. */
export type Wish = {
  readonly strength: "forbid" | "default" | "ask" | "require";
  /** Policy field that says so; absent for a default. */
  readonly field?: string;
};

export type Wishes = {
  readonly capabilities: ReadonlyMap<string, Wish>;
  /** Given parameters, as they were given. */
  readonly parameters: ReadonlyMap<string, { value: ParameterValue; field: string }>;
};

const STRENGTHS = ["forbid", "default", "ask", "require"] as const;

/** Of two wishes, whether the first one is the stronger. `forbid` is not compared. */
export function isStronger(one: Wish, other: Wish): boolean {
  return STRENGTHS.indexOf(one.strength) > STRENGTHS.indexOf(other.strength);
}

/** The field that asks for what a ladder needs. */
export const LADDER_FIELD = "policy.convergence.ladder";

const onByDefault = ["events", "return-path", "switchover-ack"];

/** Everything the policy says, by libvirt's flags or by QEMU's names, in one form. */
export function readWishes(policy: MigrationPolicy): Wishes {
  const wishes = new Map<string, Wish>(
    onByDefault.map((name) => [name, { strength: "default" as const }]),
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
  // Last: what somebody asked for has its own field, and is on from the start.
  if (policy.convergence.ladder !== "none") {
    add("auto-converge", { strength: "ask", field: LADDER_FIELD });
  }
  if (policy.convergence.ladder === "post-copy") {
    add("postcopy-ram", { strength: "ask", field: LADDER_FIELD });
  }
  return {
    capabilities: passOn(wishes),
    parameters: readParameters(policy),
  };
}

/** The wishes that the flags stand for. */
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

/** Whoever requires a capability requires what that one needs, as far as it was asked for. */
function passOn(wishes: ReadonlyMap<string, Wish>): ReadonlyMap<string, Wish> {
  const passed = new Map(wishes);
  for (let round = 0; round < capabilities.length; round += 1) {
    for (const rule of capabilityRules) {
      const wish = passed.get(rule.capability);
      const needed = passed.get(rule.other);
      if (rule.kind !== "requires" || wish?.strength !== "require") continue;
      if (needed && needed.strength !== "forbid") passed.set(rule.other, maxOf(needed, wish));
    }
  }
  return passed;
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
