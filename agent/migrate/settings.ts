import type { SideSettings } from "../../core/negotiation.ts";
import type { ParameterValue } from "../../core/probe.ts";
import type { QmpClient } from "../qmp/client.ts";
import type { MigrationParametersUpdate } from "../qmp/migration.ts";

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
  const parameters = Object.entries(settings.parameters);
  if (parameters.length === 0) return;
  const update = Object.fromEntries(parameters.map(([name, value]) => [name, toQmp(value)]));
  await qmp.execute("migrate-set-parameters", update as MigrationParametersUpdate);
}

/** Text that is an integer beyond 2^53 is one: it travelled as text to stay exact. */
function toQmp(value: ParameterValue): ParameterValue | bigint {
  if (typeof value !== "string" || !/^\d{16,20}$/.test(value)) return value;
  return BigInt(value);
}
