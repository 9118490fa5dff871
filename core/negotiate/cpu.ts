import type { CpuModels, HostCpu } from "../protocol/host-cpu.ts";
import { versionText } from "../qemu/version.ts";
import { FEATURE, FIRST_VCPU } from "../twin/reading.ts";
import { ruleOf } from "../twin/rules.ts";
import type { Blocker, Choice } from "./agreement.ts";
import {
  type CpuModelOption,
  canonicalFeature,
  commonModels,
  isPassedThrough,
  lackingOf,
  parseCpuModel,
} from "./cpu-model.ts";
import type { BothSides } from "./sides.ts";

const LISTED_MAX = 12;
const MODELS_MAX = 6;

/** QEMU target/i386/cpu.c, unmigratable_flags: `host` and `max` leave them out by default. */
const UNMIGRATABLE = /^(invtsc|sgx.*)$/;
/** Linux takes them where it found the TSC unstable; `kvm-clock` and others are a host's that is a guest. */
const NO_TSC = /^(hpet|acpi_pm|(refined-)?jiffies)$/;

type Compared = {
  readonly option: CpuModelOption;
  readonly source: CpuModels;
  readonly target: CpuModels;
};

/**
 * Features of the guest's CPU that the target's host lacks, or adds: a program that has found a feature
 * once uses it on. Silent where a host does not say which CPUs it can give (older agents, architectures
 * without such a list); the twin check compares the CPUs themselves.
 *
 * @param accepted names of differences that the policy accepts
 */
export function cpuBlockers(sides: BothSides, accepted: readonly string[]): Blocker[] {
  const { source, target, definition } = sides;
  const option = parseCpuModel(definition.cpuModel, source.qemu.architecture);
  const found = tscBlockers(sides, option);
  const names = hostNames(sides);
  const isHosts = isPassedThrough(option.model) && source.accelerator === "kvm";
  if (isHosts && names !== undefined && names.source !== names.target) {
    found.push({
      code: "cpu-passthrough-differs",
      field: "target.host.cpu",
      message: `The guest's CPU is its host's (\`-cpu ${option.model}\`): ${names.source}, and the target's is ${names.target}`,
      cure: `Choose a host with an equal CPU, or ${restart(sides, option)}`,
    });
  }
  if (source.cpuModels === undefined || target.cpuModels === undefined) return found;
  const compared = { option, source: source.cpuModels, target: target.cpuModels };
  if (lackingOf(compared.target, option.model) === undefined) {
    return [...found, modelUnknown(sides, option)];
  }
  const counts = (feature: string) => !isHarmless(feature, sides, accepted);
  const missing = missingFeatures(compared).filter(counts);
  const added = missingFeatures({ option, source: compared.target, target: compared.source });
  return [
    ...found,
    ...(missing.length > 0 ? [featuresMissing(missing, sides, option)] : []),
    ...addedBlockers(added.filter(counts), option),
  ];
}

/** What a guest of this model has on one host and does not get on the other. */
function missingFeatures({ option, source, target }: Compared): string[] {
  const { model, on, off, options } = option;
  const there = new Set(target.features);
  const movesAll = options.get("migratable") !== "off";
  const own = isPassedThrough(model)
    ? source.features.filter((one) => !there.has(one) && !(movesAll && UNMIGRATABLE.test(one)))
    : without(lackingOf(target, model) ?? [], lackingOf(source, model));
  const asked = source.features.filter((feature) => on.has(feature) && !there.has(feature));
  return [...new Set([...own, ...asked])].filter((feature) => !off.has(feature)).sort();
}

/** Of a model that the other host does not know, nothing is. */
function without(all: readonly string[], known: readonly string[] | undefined): string[] {
  return known === undefined ? [] : all.filter((feature) => !known.includes(feature));
}

function isHarmless(feature: string, { source, target }: BothSides, accepted: readonly string[]) {
  const property = `${FEATURE}${feature}`;
  const versionsDiffer = versionText(source.qemu.version) !== versionText(target.qemu.version);
  if (ruleOf({ kind: "vCPUs", part: FIRST_VCPU, property, versionsDiffer })) return true;
  const prefix = `vCPUs ${FIRST_VCPU}: ${FEATURE}`;
  return accepted.some(
    (name) => name.startsWith(prefix) && canonicalFeature(name.slice(prefix.length)) === feature,
  );
}

function featuresMissing(missing: string[], sides: BothSides, option: CpuModelOption): Blocker {
  return {
    code: "cpu-features-missing",
    field: "target.cpuModels",
    message: `The guest's CPU (${option.model}) has features that the target's host lacks: ${list(missing)}`,
    cure: `Choose a host that has them, or ${restart(sides, option)}`,
  };
}

function restart({ source, target }: BothSides, { model }: CpuModelOption): string {
  const common =
    source.cpuModels === undefined || target.cpuModels === undefined
      ? []
      : commonModels(source.cpuModels, target.cpuModels, model);
  if (common.length === 0) return "restart the guest with a CPU model that both hosts have";
  const named = common.slice(0, MODELS_MAX).join(", ");
  return `restart the guest with a CPU model that both hosts have in full, such as ${named}`;
}

function addedBlockers(added: readonly string[], { model }: CpuModelOption): Blocker[] {
  if (added.length === 0) return [];
  const cure = isPassedThrough(model)
    ? "Choose a host with an equal CPU and QEMU, or restart the guest with a named CPU model"
    : `Give the definition's \`cpuModel\` what the running guest has (PATCH /v1/vms/{id}): ${model},${added
        .slice(0, LISTED_MAX)
        .map((feature) => `${feature}=off`)
        .join(",")}`;
  const blocker = {
    code: "cpu-features-differ",
    field: "source.cpuModels",
    message: `The target would add features to the guest's CPU (${model}) that the source's host lacks: ${list(added)}`,
    cure,
  };
  return [blocker];
}

function modelUnknown({ target }: BothSides, { model }: CpuModelOption): Blocker {
  return {
    code: "cpu-model-unknown",
    field: "target.cpuModels",
    message: `The target's QEMU ${versionText(target.qemu.version)} does not know the guest's CPU model ${model}`,
    cure: "Choose a host whose QEMU knows it, or restart the guest with an older model",
  };
}

/** QEMU target/i386/kvm/kvm.c, kvm_arch_init_vcpu: it refuses to move what needs one TSC for ever. */
function tscBlockers({ source }: BothSides, { on, options }: CpuModelOption): Blocker[] {
  const isTold = source.blockers.some((reason) => reason.includes("invtsc"));
  if (isTold || source.accelerator !== "kvm") return [];
  if (!on.has("invtsc") || options.has("tsc-frequency")) return [];
  return [
    {
      code: "tsc-frequency-missing",
      field: "definition.cpuModel",
      message:
        "The guest's CPU has `invtsc` without `tsc-frequency`: QEMU does not migrate such a guest",
      cure: "Restart the guest with `tsc-frequency`, in Hz, which every target has or can scale to, or without `invtsc`",
    },
  ];
}

function hostNames({ source, target }: BothSides) {
  const names = { source: source.host?.cpu?.model, target: target.host?.cpu?.model };
  if (names.source === undefined || names.target === undefined) return undefined;
  return { source: names.source, target: names.target };
}

function list(features: readonly string[]): string {
  const more = features.length - LISTED_MAX;
  return `${features.slice(0, LISTED_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Differences of the hosts that a guest with KVM may notice, and that do not refuse the migration. */
export function explainHostCpus({ source, target, definition }: BothSides): Choice[] {
  if (source.accelerator !== "kvm" || !source.host || !target.host) return [];
  const { options } = parseCpuModel(definition.cpuModel, source.qemu.architecture);
  const warnings = [
    differing(
      source.host,
      target.host,
      "CPU",
      ({ cpu }) => cpu?.model,
      "the guest's CPU model covers what it has of it",
    ),
    differing(
      source.host,
      target.host,
      "microcode",
      ({ cpu }) => cpu?.microcode,
      "what it mends or switches off can differ; bring both hosts to the same",
    ),
    differing(
      source.host,
      target.host,
      "kernel",
      ({ kernel }) => kernel,
      "KVM is a part of it; bring both hosts to the same when you can",
    ),
    unstableTsc(target.host),
  ];
  const found = warnings.flatMap((warning) => warning ?? []);
  return options.has("tsc-frequency") && target.host.scalesTsc === false
    ? [...found, { subject: "host TSC", value: false, reason: FIXED_TSC }]
    : found;
}

const FIXED_TSC =
  "warning: the guest's `tsc-frequency` is fixed and the target cannot scale its own: its QEMU ends at the start unless they are within 250 ppm";

function differing(
  source: HostCpu,
  target: HostCpu,
  what: string,
  of: (host: HostCpu) => string | undefined,
  why: string,
): Choice | undefined {
  const here = of(source);
  const there = of(target);
  if (here === undefined || there === undefined || here === there) return undefined;
  const reason = `warning: the source has ${here}, the target ${there}: ${why}`;
  return { subject: `host ${what}`, value: there, reason };
}

function unstableTsc({ clocksource }: HostCpu): Choice | undefined {
  if (clocksource === undefined || !NO_TSC.test(clocksource)) return undefined;
  const reason = `warning: the target's kernel uses ${clocksource} as its clock, since its TSC is not stable: a guest that uses the TSC has a wrong clock there`;
  return { subject: "host clock", value: clocksource, reason };
}
