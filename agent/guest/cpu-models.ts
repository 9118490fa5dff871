import { canonicalFeature } from "../../core/negotiate/cpu-model.ts";
import type { CpuModels } from "../../core/protocol/host-cpu.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";

/**
 * What guests' CPUs can be with a QEMU and its accelerator. Undefined where it does not say it: it is
 * x86's (QAPI schema, machine-target.json, CpuDefinitionInfo).
 *
 * @throws QmpError
 */
export async function probeCpuModels(qmp: QmpClient): Promise<CpuModels | undefined> {
  const [definitions, features] = await Promise.all([
    qmp.execute("query-cpu-definitions"),
    featuresOf(qmp),
  ]);
  const listed = definitions.filter((one) => one["unavailable-features"] !== undefined);
  if (features === undefined || listed.length === 0) return undefined;
  const lacking = new Map<string, number>();
  const indexOf = (feature: string) => {
    const index = lacking.get(feature) ?? lacking.size;
    lacking.set(feature, index);
    return index;
  };
  const models = listed.flatMap((one) => {
    const { name, "alias-of": alias, "unavailable-features": unavailable = [] } = one;
    // Whoever looks for a model takes its first version for it.
    if (alias === `${name}-v1`) return [];
    return [[name, unavailable.map((feature) => indexOf(canonicalFeature(feature)))] as const];
  });
  return { features, models: Object.fromEntries(models), lacking: [...lacking.keys()] };
}

/** All features that a guest can have, those included that are not migrated by default. */
async function featuresOf(qmp: QmpClient): Promise<string[] | undefined> {
  const model = { name: "max", props: { migratable: false } };
  try {
    const { model: whole } = await qmp.execute("query-cpu-model-expansion", {
      type: "full",
      model,
    });
    const on = Object.entries(whole.props ?? {}).filter(([, value]) => value === true);
    return [...new Set(on.map(([name]) => canonicalFeature(name)))].sort();
  } catch (error) {
    if (error instanceof QmpCommandError) return undefined; // Not an x86 QEMU.
    throw error;
  }
}
