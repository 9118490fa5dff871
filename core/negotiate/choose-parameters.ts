import type { ParameterValue, QemuProbe, SourceProbe, TargetProbe } from "../protocol/probe.ts";
import type { Parameter } from "../qemu/parameter.ts";
import { checkParameter } from "../qemu/parameter-check.ts";
import { parameters } from "../qemu/parameters.ts";
import { versionText } from "../qemu/version.ts";
import type { Blocker, Choice } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";
import type { Side } from "./sides.ts";
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
 * The value of each parameter at each end that uses it. Also those that nobody asked for are set, so
 * that nothing is left from an earlier migration.
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
  const ends = (["source", "target"] as const).filter((end) => side === "both" || side === end);
  const having = ends.filter((end) => Object.hasOwn(input[end].qemu.parameters, name));
  const lacking = ends.filter((end) => !having.includes(end) && isNeeded(parameter, end));
  if (lacking.length > 0) {
    if (field !== undefined) into.blockers.push(absent(parameter, lacking, input, field));
    else if (isGivenBandwidth(name, input)) into.choices.push(dropped(name, input.source.qemu));
    return;
  }
  for (const end of having) into[end][name] = value;
  into.choices.push({ subject: name, value, reason });
  const wrong = unsupported(parameter, value, input);
  if (wrong) into.blockers.push({ ...wrong, ...(field ? { field } : {}) });
}

/** Levels are used by the source; the target gets them too where it has them. */
function isNeeded({ side, mustMatch }: Parameter, end: Side): boolean {
  return side === end || mustMatch || end === "source";
}

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
    const reason = `the policy says so${idle}${quirk}`;
    return { value: checked.ok ? checked.value : given.value, reason, field: given.field };
  }
  const bandwidth = policy.switchoverBandwidthBytesPerSecond;
  if (name === "avail-switchover-bandwidth" && bandwidth !== undefined) {
    return { value: bandwidth, reason: "the policy says what the link gives at switchover" };
  }
  if (name === "zero-page-detection" && !Object.hasOwn(target.qemu.parameters, name)) {
    const reason = `the target's QEMU ${versionText(target.qemu.version)} does not read zero pages that multifd leaves out`;
    return { value: "legacy", reason };
  }
  if (parameter.ours) return parameter.ours;
  return {
    value: parameter.default,
    reason: "QEMU's default, set so that nothing is left from an earlier migration",
  };
}

/** QEMU 7.2 takes both levels, even out of range ones, and uses 1. */
function levelQuirk(name: string, { version }: QemuProbe): string {
  const isIgnored = version.major < 8 && /^multifd-(zlib|zstd)-level$/.test(name);
  return isIgnored ? `; QEMU ${versionText(version)} takes it and uses level 1` : "";
}

function isGivenBandwidth(name: string, { policy }: ParameterInput): boolean {
  return (
    name === "avail-switchover-bandwidth" && policy.switchoverBandwidthBytesPerSecond !== undefined
  );
}

function dropped(name: string, { version }: QemuProbe): Choice {
  const reason = `not set: the source's QEMU ${versionText(version)} measures the bandwidth itself (QEMU 8.2 and newer can be told)`;
  return { subject: name, value: null, reason };
}

function absent(
  { name, since, removed }: Parameter,
  lacking: Side[],
  input: ParameterInput,
  field: string,
): Blocker {
  const who = lacking
    .map((end) => `the ${end}'s QEMU ${versionText(input[end].qemu.version)}`)
    .join(" and ");
  const life = removed ? `${since} and newer, before ${removed}` : `${since} and newer`;
  return {
    code: "parameter-absent",
    field,
    message: `\`${name}\` is given, and ${who} ${lacking.length > 1 ? "do" : "does"} not have it`,
    cure: `Leave \`${name}\` out, or use hosts with QEMU ${life}`,
  };
}

/** A value that both ends must be able to work with, and one cannot. */
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
      message: `the target's QEMU ${versionText(target.qemu.version)} does not read zero pages that multifd leaves out: guest memory would be wrong`,
      cure: "Set `zero-page-detection` to legacy, or leave it out",
    };
  }
  return undefined;
}
