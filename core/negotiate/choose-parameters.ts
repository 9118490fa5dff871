import type { ParameterValue, QemuProbe, SourceProbe, TargetProbe } from "../protocol/probe.ts";
import type { Parameter } from "../qemu/parameter.ts";
import { checkParameter } from "../qemu/parameter-check.ts";
import { parameters } from "../qemu/parameters.ts";
import { versionText } from "../qemu/version.ts";
import type { Blocker, Choice } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";
import { SIDES, type Side } from "./sides.ts";
import type { Wishes } from "./wishes.ts";

export type ParameterInput = {
  source: SourceProbe;
  target: TargetProbe;
  policy: MigrationPolicy;
  wishes: Wishes;
  /** Capabilities that are on. */
  on: ReadonlySet<string>;
};

export type ChosenParameters = {
  source: Record<string, ParameterValue>;
  target: Record<string, ParameterValue>;
  choices: Choice[];
  blockers: Blocker[];
};

type Chosen = { value: ParameterValue; reason: string; field?: string };

/**
 * The value of each parameter at each side that uses it. Parameters that nobody asked for are set
 * too: an earlier migration may have changed them.
 */
export function chooseParameters(input: ParameterInput): ChosenParameters {
  const chosen: ChosenParameters = { source: {}, target: {}, choices: [], blockers: [] };
  for (const parameter of parameters) {
    if (parameter.refusal === undefined) settleOne(parameter, input, chosen);
  }
  return chosen;
}

function settleOne(parameter: Parameter, input: ParameterInput, into: ChosenParameters): void {
  const { name, side } = parameter;
  const { value, reason, field } = choose(parameter, input);
  const users = SIDES.filter((one) => side === "both" || side === one);
  const having = users.filter((one) => Object.hasOwn(input[one].qemu.parameters, name));
  const lacking = users.filter((one) => !having.includes(one) && isNeeded(parameter, one));
  if (lacking.length > 0) {
    if (field !== undefined) into.blockers.push(absent(parameter, lacking, input, field));
    else if (isGivenBandwidth(name, input)) into.choices.push(dropped(name, input.source.qemu));
    return;
  }
  for (const one of having) into[one][name] = value;
  into.choices.push({ subject: name, value, reason });
  const wrong = unsupported(parameter, value, input);
  if (wrong) into.blockers.push({ ...wrong, ...(field ? { field } : {}) });
}

/** Compression levels only matter at the source; the target is set where it has them. */
function isNeeded({ side, mustMatch }: Parameter, at: Side): boolean {
  return side === at || mustMatch || at === "source";
}

/** In order of precedence: the policy, what this pair of hosts needs, Switchyard's, QEMU's default. */
function choose(
  parameter: Parameter,
  { wishes, policy, source, target, on }: ParameterInput,
): Chosen {
  const { name, tunes } = parameter;
  const given = wishes.parameters.get(name);
  if (given !== undefined) {
    const checked = checkParameter(name, given.value);
    const idle = tunes !== undefined && !on.has(tunes) ? `; no effect, as \`${tunes}\` is off` : "";
    const quirk = levelQuirk(name, source.qemu);
    const reason = `asked for${idle}${quirk}`;
    return { value: checked.ok ? checked.value : given.value, reason, field: given.field };
  }
  const bandwidth = policy.switchoverBandwidthBytesPerSecond;
  if (name === "avail-switchover-bandwidth" && bandwidth !== undefined) {
    return { value: bandwidth, reason: "asked for: the bandwidth of the link at switchover" };
  }
  if (name === "zero-page-detection" && !Object.hasOwn(target.qemu.parameters, name)) {
    const reason = `the target's QEMU ${versionText(target.qemu.version)} does not understand multifd's zero pages`;
    return { value: "legacy", reason };
  }
  if (parameter.ours) return parameter.ours;
  return {
    value: parameter.default,
    reason: "QEMU's default, set because an earlier migration may have changed it",
  };
}

/** QEMU 7.2 accepts both levels, even out of range ones, and uses 1 (tried on 7.2.22). */
function levelQuirk(name: string, { version }: QemuProbe): string {
  const isIgnored = version.major < 8 && /^multifd-(zlib|zstd)-level$/.test(name);
  return isIgnored ? `; QEMU ${versionText(version)} accepts it and uses level 1` : "";
}

function isGivenBandwidth(name: string, { policy }: ParameterInput): boolean {
  return (
    name === "avail-switchover-bandwidth" && policy.switchoverBandwidthBytesPerSecond !== undefined
  );
}

function dropped(name: string, { version }: QemuProbe): Choice {
  const reason = `not set: the source's QEMU ${versionText(version)} has no such parameter (8.2 and newer have it) and measures the bandwidth`;
  return { subject: name, value: null, reason };
}

function absent(
  { name, since, removed }: Parameter,
  lacking: Side[],
  input: ParameterInput,
  field: string,
): Blocker {
  const who = lacking
    .map((side) => `the ${side}'s QEMU ${versionText(input[side].qemu.version)}`)
    .join(" and ");
  const life = removed ? `${since} and newer, before ${removed}` : `${since} and newer`;
  return {
    code: "parameter-absent",
    field,
    message: `\`${name}\` is given, and ${who} ${lacking.length > 1 ? "do" : "does"} not have it`,
    cure: `Omit \`${name}\`, or use hosts with QEMU ${life}`,
  };
}

/** A value that both sides must support, and one does not. */
function unsupported(
  { name }: Parameter,
  value: ParameterValue,
  { source, target, on }: ParameterInput,
): Omit<Blocker, "field"> | undefined {
  if (name === "multifd-compression" && value !== "none") {
    const lacking = [
      ...(source.qemu.multifdCompression.includes(String(value)) ? [] : ["source"]),
      ...(target.qemu.multifdCompression.includes(String(value)) ? [] : ["target"]),
    ];
    if (lacking.length === 0) return undefined;
    const both = source.qemu.multifdCompression.filter((method) =>
      target.qemu.multifdCompression.includes(method),
    );
    return {
      code: "compression-unsupported",
      message: `QEMU on the ${lacking.join(" and the ")} was built without multifd-compression \`${value}\``,
      cure: `Use one that both builds have: ${both.join(", ") || "none"}`,
    };
  }
  const targetReads = Object.hasOwn(target.qemu.parameters, "zero-page-detection");
  if (name === "zero-page-detection" && value === "multifd" && on.has("multifd") && !targetReads) {
    return {
      code: "zero-pages-unreadable",
      message: `the target's QEMU ${versionText(target.qemu.version)} does not understand multifd's zero pages: guest memory would be wrong`,
      cure: "Set `zero-page-detection` to legacy, or omit it",
    };
  }
  return undefined;
}
