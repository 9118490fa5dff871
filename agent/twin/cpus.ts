import * as z from "zod";
import { FEATURE, type Properties } from "../../core/twin/reading.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";
import type { HotpluggableCpu } from "../../qmp/machine.ts";

/** QEMU target/i386/cpu.c, x86_cpu_get_feature_words: every CPUID register with features. */
const FeatureWords = z.array(
  z.looseObject({
    "cpuid-register": z.string(),
    "cpuid-input-eax": z.number(),
    "cpuid-input-ecx": z.number().optional(),
    features: z.number(),
  }),
);

/** The guest switches the APIC's bit with its APIC (QEMU hw/intc/apic_common.c, cpu_set_apic_base). */
const APIC_BIT = 1 << 9;

/** Of a vCPU, beside its features. Numbers of Hyper-V and the topology are in others. */
const PROPERTIES = [
  "type",
  "family",
  "model",
  "stepping",
  "vendor",
  "model-id",
  "level",
  "xlevel",
  "phys-bits",
  "tsc-frequency",
];

/** The slots for vCPUs: their type, and whether one is plugged. */
export function cpuSlots(slots: readonly HotpluggableCpu[]): Record<string, Properties> {
  return Object.fromEntries(
    slots.map((slot) => {
      const place = Object.entries(slot.props)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => `${name} ${value}`);
      return [
        `slot ${place.join(" ")}`,
        {
          type: slot.type,
          vcpus: String(slot["vcpus-count"]),
          plugged: slot["qom-path"] === undefined ? "no" : "yes",
        },
      ];
    }),
  );
}

/**
 * The features of a vCPU. Under TCG on x86 its CPUID registers, which one call reads; else by name,
 * since some features are in no CPUID register (model-specific registers, Hyper-V).
 */
export async function cpuFeatures(
  qmp: QmpClient,
  path: string,
  isKvm: boolean,
): Promise<Properties> {
  const [listed, words] = await Promise.all([
    qmp.execute("qom-list", { path }),
    isKvm ? undefined : readWords(qmp, path),
  ]);
  const names = new Set(listed.map(({ name }) => name));
  const wanted = PROPERTIES.filter((name) => names.has(name));
  const values = await Promise.all(
    wanted.map((property) => qmp.execute("qom-get", { path, property })),
  );
  const own = Object.fromEntries(wanted.map((name, at) => [name, String(values[at])]));
  return { ...own, ...(words ?? (await namedFeatures(qmp, path))) };
}

async function readWords(qmp: QmpClient, path: string): Promise<Properties | undefined> {
  try {
    const value = await qmp.execute("qom-get", { path, property: "feature-words" });
    const words = FeatureWords.parse(value).flatMap((word) => {
      const eax = word["cpuid-input-eax"];
      const ecx = word["cpuid-input-ecx"];
      const register = word["cpuid-register"];
      const isApic = eax === 1 && register === "EDX";
      const bits = (isApic ? word.features & ~APIC_BIT : word.features) >>> 0;
      const leaf = `0x${eax.toString(16)}${ecx === undefined ? "" : `.${ecx}`}`;
      return bits === 0 ? [] : [[`${FEATURE}CPUID ${leaf} ${register}`, `0x${bits.toString(16)}`]];
    });
    return Object.fromEntries(words);
  } catch (error) {
    if (error instanceof QmpCommandError) return undefined; // Not an x86 CPU.
    throw error;
  }
}

/** Every switch of a vCPU by its name: hundreds of calls on x86. */
export async function namedFeatures(qmp: QmpClient, path: string): Promise<Properties> {
  const listed = await qmp.execute("qom-list", { path });
  const names = listed.filter(({ type, name }) => type === "bool" && !STATE.has(name));
  const values = await Promise.all(
    names.map(({ name }) => qmp.execute("qom-get", { path, property: name })),
  );
  return Object.fromEntries(
    names.flatMap(({ name }, at) =>
      // The guest switches it: see APIC_BIT. A version that does not know a feature has it off.
      values[at] === true && name !== "apic" ? [[`${FEATURE}${name}`, "on"]] : [],
    ),
  );
}

/** Of every device, or how the features came about. */
const STATE = new Set([
  "realized",
  "hotplugged",
  "hotpluggable",
  "start-powered-off",
  "check",
  "enforce",
  "migratable",
  "fill-mtrr-mask",
]);
