import type { CpuModels } from "../protocol/host-cpu.ts";

/** A `-cpu` option, read as QEMU does (QEMU target/i386/cpu.c, x86_cpu_parse_featurestr). */
export type CpuModelOption = {
  readonly model: string;
  /** Features that are switched on, or off, beside the model's. */
  readonly on: ReadonlySet<string>;
  readonly off: ReadonlySet<string>;
  /** Other properties, by their names. */
  readonly options: ReadonlyMap<string, string>;
};

/** Models that are what their host is. */
const PASSED_THROUGH: ReadonlySet<string> = new Set(["host", "max"]);
/** QEMU's own, where a definition names none (QEMU hw/i386/pc.c). */
const defaultModels: Readonly<Record<string, string>> = { x86_64: "qemu64", i386: "qemu32" };

export function parseCpuModel(text: string | undefined, architecture: string) {
  const [model, ...parts] = (text ?? defaultModels[architecture] ?? "").split(",");
  const options = new Map<string, string>();
  const plus = new Set<string>();
  const minus = new Set<string>();
  for (const part of parts) {
    const [name = "", value = "on"] = part.split(/=(.*)/s);
    if (name.startsWith("+")) plus.add(canonicalFeature(name.slice(1)));
    else if (name.startsWith("-")) minus.add(canonicalFeature(name.slice(1)));
    else options.set(canonicalFeature(name), value);
  }
  const named = (values: readonly string[]) =>
    [...options].flatMap(([name, value]) => (values.includes(value) ? [name] : []));
  // `+` counts after `=`, and `-` last.
  const off = new Set([...named(NO).filter((name) => !plus.has(name)), ...minus]);
  const on = new Set([...named(YES), ...plus].filter((name) => !off.has(name)));
  return { model: model ?? "", on, off, options } satisfies CpuModelOption;
}

const YES = ["on", "yes", "true", "y"];
const NO = ["off", "no", "false", "n"];

export function isPassedThrough(model: string): boolean {
  return PASSED_THROUGH.has(model);
}

/** QEMU takes `sse4_1`, `sse4.1` and `sse4-1` for the same. */
export function canonicalFeature(name: string): string {
  return name.replaceAll(/[_.]/g, "-");
}

/** Features of a model that a guest does not get there; undefined: QEMU does not know the model. */
export function lackingOf({ models, lacking }: CpuModels, model: string): string[] | undefined {
  const known = models[model] ?? models[`${model}-v1`];
  return known?.flatMap((index) => lacking[index] ?? []);
}

/** What a probe has of them: the guest's model, and those of which the host has every feature. */
export function limitToModel(known: CpuModels, text: string | undefined, architecture: string) {
  const { model } = parseCpuModel(text, architecture);
  const own = lackingOf(known, model);
  const whole = Object.entries(known.models).filter(([, lacking]) => lacking.length === 0);
  return {
    features: known.features,
    lacking: own ?? [],
    models: {
      ...Object.fromEntries(whole),
      ...(own === undefined ? {} : { [model]: own.map((_, index) => index) }),
    },
  } satisfies CpuModels;
}

/** Models that both hosts have in full, those most like the guest's first. */
export function commonModels(one: CpuModels, other: CpuModels, like: string): string[] {
  const family = like.split("-")[0] ?? like;
  const isWhole = (name: string) =>
    one.models[name]?.length === 0 && other.models[name]?.length === 0;
  const common = Object.keys(one.models).filter(
    (name) => isWhole(name) && !isPassedThrough(name) && name !== "base",
  );
  const isAlike = (name: string) => name.startsWith(family);
  return [...common.filter(isAlike), ...common.filter((name) => !isAlike(name))];
}
