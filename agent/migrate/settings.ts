import type { SideSettings } from "../../core/negotiation.ts";
import type { ParameterValue } from "../../core/probe.ts";
import { parameterValue } from "../probe/qemu.ts";
import type { QmpClient } from "../qmp/client.ts";
import type { MigrationParametersUpdate } from "../qmp/migration.ts";

export type Parameters = Record<string, ParameterValue>;

/**
 * Sets all capabilities in one command (QEMU checks the resulting set and takes all or nothing), then
 * the parameters. On a target strictly before migrate-incoming.
 */
export async function applySettings(qmp: QmpClient, settings: SideSettings): Promise<void> {
  const capabilities = Object.entries(settings.capabilities).map(([capability, state]) => ({
    capability,
    state,
  }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
  await applyParameters(qmp, settings.parameters);
}

export async function applyParameters(qmp: QmpClient, parameters: Parameters): Promise<void> {
  const entries = Object.entries(parameters);
  if (entries.length === 0) return;
  const update = Object.fromEntries(entries.map(([name, value]) => [name, toQmp(value)]));
  await qmp.execute("migrate-set-parameters", update as MigrationParametersUpdate);
}

/** The present values of those of `names` that this QEMU knows. */
export async function readParameters(qmp: QmpClient, names: string[]): Promise<Parameters> {
  const now: Record<string, unknown> = await qmp.execute("query-migrate-parameters");
  const known = names.filter((name) => now[name] !== undefined);
  return Object.fromEntries(known.map((name) => [name, parameterValue(now[name])]));
}

/** Text that is an integer beyond 2^53 is one: it travelled as text to stay exact. */
function toQmp(value: ParameterValue): ParameterValue | bigint {
  if (typeof value !== "string" || !/^\d{16,20}$/.test(value)) return value;
  return BigInt(value);
}
