import type { ParameterValue } from "../protocol/probe.ts";
import { findCapability } from "../qemu/capabilities.ts";
import { type CapabilityRule, capabilityRules } from "../qemu/capability-rules.ts";
import { findFlag, flagName, flagRules } from "../qemu/libvirt-flags.ts";
import { checkParameter } from "../qemu/parameter-check.ts";
import { defaultNumber, findParameter } from "../qemu/parameters.ts";
import type { Blocker } from "./agreement.ts";
import { checkCopyPolicy } from "./copies.ts";
import type { MigrationPolicy } from "./policy.ts";
import { TLS_OBJECT } from "./tls.ts";
import { flagWishes, readWishes, type Wish } from "./wishes.ts";

/**
 * What is wrong with a policy by itself, before any host is probed: unknown names, wrong types and
 * ranges, what no QEMU can do in a live migration, and demands that contradict one another in every
 * version. Each entry names the field, the rule and the value. Empty: nothing is wrong.
 *
 * It never refuses what `negotiate` could agree to with some pair of hosts.
 */
export function checkPolicy(policy: MigrationPolicy): Blocker[] {
  return [
    ...checkFlags(policy),
    ...checkCapabilityNames(policy),
    ...checkContradictions(policy),
    ...checkParameters(policy),
    ...checkRequired(policy),
    ...checkCopyPolicy(policy),
  ];
}

function checkFlags(policy: MigrationPolicy): Blocker[] {
  const names = new Set(policy.flags.map(flagName));
  const found = policy.flags.flatMap((text) => checkFlag(text, policy, names));
  for (const { kind, flag, other } of flagRules) {
    if (!names.has(flag) || names.has(other) === (kind === "requires")) continue;
    found.push({
      code: kind === "requires" ? "missing-prerequisite" : "excluded-flag",
      field: "policy.flags",
      message: `The flag \`${flag}\` ${kind} \`${other}\`, got ${[...names].join(", ")}`,
      cure:
        kind === "requires"
          ? `Give \`${other}\` as well, or omit \`${flag}\``
          : `Omit \`${flag}\` or \`${other}\``,
    });
  }
  return found;
}

function checkFlag(text: string, policy: MigrationPolicy, names: Set<string>): Blocker[] {
  const field = `policy.flags.${cut(text)}`;
  const flag = findFlag(text);
  if (flag === undefined) {
    const message = `Expected the name of a libvirt migration flag, got \`${cut(text)}\``;
    const cure = "Use a name of virDomainMigrateFlags, such as PARALLEL or VIR_MIGRATE_PARALLEL";
    return [{ code: "unknown-flag", field, message, cure }];
  }
  if (flag.refusal) {
    const message = `The flag \`${flag.name}\` is not supported: ${flag.refusal.why}`;
    return [{ code: "unsupported-flag", field, message, cure: flag.refusal.cure }];
  }
  if (flag.name === "TLS" && policy.tls === "off" && !policy.parameters["tls-creds"]) {
    const message = "The flag `TLS` requires `policy.tls` or the parameter `tls-creds`, got none";
    const cure = "Set `policy.tls` to psk or x509";
    return [{ code: "missing-prerequisite", field, message, cure }];
  }
  const compression = policy.parameters["multifd-compression"] ?? "none";
  if (flag.name === "COMPRESSED" && names.has("PARALLEL") && compression === "none") {
    const message =
      "The flag `COMPRESSED` with `PARALLEL` requires the parameter `multifd-compression`, got none";
    const cure = "Give `multifd-compression`, such as zstd, or omit one of the flags";
    return [{ code: "missing-prerequisite", field, message, cure }];
  }
  return [];
}

/** A caller's text, short enough for a message and long enough to recognise. */
const cut = (text: string) => text.slice(0, 80);

function checkCapabilityNames({ capabilities }: MigrationPolicy): Blocker[] {
  return Object.entries(capabilities).flatMap(([name, wish]): Blocker[] => {
    const field = `policy.capabilities.${cut(name)}`;
    const capability = findCapability(name);
    if (capability === undefined) {
      const message = `Expected the name of a QEMU migration capability, got \`${cut(name)}\``;
      const cure = "Use a name of `query-migrate-capabilities`, such as `multifd`";
      return [{ code: "unknown-capability", field, message, cure }];
    }
    if (name === "events" && wish === "forbid") {
      const message = "`events` cannot be forbidden: the agents act on QEMU's migration events";
      return [{ code: "needed-capability", field, message, cure: "Leave `events` out" }];
    }
    if (capability.refusal === undefined || wish === "forbid") return [];
    const { why, cure } = capability.refusal;
    const message = `\`${name}\` cannot be used for a live migration: ${why}`;
    return [{ code: "unusable-capability", field, message, cure }];
  });
}

/** One thing that two fields want and forbid, or give two values. */
function checkContradictions(policy: MigrationPolicy): Blocker[] {
  const found: Blocker[] = [];
  for (const [name, wish] of flagWishes(policy)) {
    if (wish.strength !== "require" || policy.capabilities[name] !== "forbid") continue;
    found.push({
      code: "contradiction",
      field: `policy.capabilities.${name}`,
      message: `${wish.field} requires \`${name}\`, got \`forbid\``,
      cure: "Omit one of the two",
    });
  }
  const same: [string, string, ParameterValue | undefined][] = [
    ["downtime-limit", "downtimeLimitMs", policy.downtimeLimitMs],
    [
      "avail-switchover-bandwidth",
      "switchoverBandwidthBytesPerSecond",
      policy.switchoverBandwidthBytesPerSecond,
    ],
    ["max-bandwidth", "maxBandwidthBytesPerSecond", policy.maxBandwidthBytesPerSecond],
    ["tls-creds", "tls", policy.tls === "off" ? undefined : TLS_OBJECT],
  ];
  for (const [name, member, value] of same) {
    const given = policy.parameters[name];
    if (given === undefined || value === undefined || String(given) === String(value)) continue;
    found.push({
      code: "contradiction",
      field: `policy.parameters.${name}`,
      message: `Expected \`${name}\` to be ${value} as policy.${member}, got \`${String(given)}\``,
      cure: "Omit one of the two",
    });
  }
  return found;
}

function checkParameters(policy: MigrationPolicy): Blocker[] {
  const found = Object.entries(policy.parameters).flatMap(([name, value]): Blocker[] => {
    const field = `policy.parameters.${cut(name)}`;
    const checked = checkParameter(name, value);
    if (!checked.ok) {
      const { code, message, cure } = checked;
      return [{ code, field, message, cure }];
    }
    const tunes = findParameter(name)?.tunes;
    if (tunes === undefined || policy.capabilities[tunes] !== "forbid") return [];
    const message = `\`${name}\` tunes the capability \`${tunes}\`, got \`forbid\` for that`;
    const cure = `Omit \`${name}\`, or do not forbid \`${tunes}\``;
    return [{ code: "contradiction", field, message, cure }];
  });
  return [...found, ...checkThrottle(policy.parameters)];
}

function checkThrottle(given: MigrationPolicy["parameters"]): Blocker[] {
  const initial = Number(given["cpu-throttle-initial"] ?? defaultNumber("cpu-throttle-initial"));
  const max = Number(given["max-cpu-throttle"] ?? defaultNumber("max-cpu-throttle"));
  if (!(max < initial)) return [];
  return [
    {
      code: "invalid-parameter",
      field: "policy.parameters.max-cpu-throttle",
      message: `Expected \`max-cpu-throttle\` to be at least \`cpu-throttle-initial\` (${initial}), got \`${max}\``,
      cure: "Raise `max-cpu-throttle` or lower `cpu-throttle-initial`",
    },
  ];
}

/** Demands that QEMU's rules refuse in every version that has them. */
function checkRequired(policy: MigrationPolicy): Blocker[] {
  const wishes = readWishes(policy).capabilities;
  const byRule = capabilityRules
    .filter((rule) => isAlwaysBroken(rule, wishes))
    .map((rule) => ruleBlocker(rule, wishes));
  return [...byRule, ...checkZeroCopy(policy)];
}

function isAlwaysBroken(rule: CapabilityRule, wishes: ReadonlyMap<string, Wish>): boolean {
  const isLimited = rule.since !== undefined || rule.removed !== undefined;
  if (isLimited || wishes.get(rule.capability)?.strength !== "require") return false;
  const other = wishes.get(rule.other)?.strength;
  if (rule.kind === "excludes") return other === "require";
  return other === undefined || other === "forbid";
}

function ruleBlocker(
  { kind, capability, other, error }: CapabilityRule,
  wishes: ReadonlyMap<string, Wish>,
): Blocker {
  const field = wishes.get(capability)?.field;
  const otherWish = wishes.get(other);
  const got = otherWish
    ? `${otherWish.field ?? other} is \`${otherWish.strength}\``
    : "it is not asked for";
  return {
    code: kind === "requires" ? "missing-prerequisite" : "excluded-capability",
    ...(field ? { field } : {}),
    message: `\`${capability}\` ${kind} \`${other}\` (QEMU: "${error}"), and ${got}`,
    cure:
      kind === "requires"
        ? `Ask for \`${other}\` as well, or omit \`${capability}\``
        : `Choose one of \`${capability}\` and \`${other}\``,
  };
}

function checkZeroCopy(policy: MigrationPolicy): Blocker[] {
  const { capabilities, parameters } = readWishes(policy);
  if (capabilities.get("zero-copy-send")?.strength !== "require") return [];
  return ["multifd-compression", "tls-creds"].flatMap((name): Blocker[] => {
    const given = parameters.get(name);
    if (["none", "", null, undefined].includes(given?.value as string | null | undefined))
      return [];
    return [
      {
        code: "excluded-capability",
        field: given?.field ?? name,
        message: `\`zero-copy-send\` is required (QEMU: "Zero copy only available for non-compressed non-TLS multifd migration"), got \`${name}\` ${String(given?.value)}`,
        cure: `Omit \`${name}\` or \`zero-copy-send\``,
      },
    ];
  });
}
