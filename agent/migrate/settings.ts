import type { SideSettings } from "../../core/negotiation.ts";
import type { ParameterValue } from "../../core/probe.ts";
import type { Log } from "../log.ts";
import { parameterValue } from "../probe/qemu.ts";
import type { QmpClient } from "../qmp/client.ts";
import type { MigrationParametersUpdate } from "../qmp/migration.ts";

export type Parameters = Record<string, ParameterValue>;

/**
 * What must not be on goes off, then the parameters, then on what shall be. QEMU checks zero-copy-send
 * and the parameters against each other as it finds them: compression or TLS left by an earlier
 * migration would have it refuse zero-copy-send, and zero-copy-send left on would have it refuse
 * compression. Each command is taken whole or not at all; capabilities that are as agreed are not set,
 * since each command costs time. On a target strictly before migrate-incoming.
 */
export async function applySettings(qmp: QmpClient, settings: SideSettings): Promise<void> {
  const wanted = Object.entries(settings.capabilities);
  const present = await qmp.execute("query-migrate-capabilities");
  const known = new Set(present.map(({ capability }) => capability));
  const on = new Set(present.flatMap(({ capability, state }) => (state ? [capability] : [])));
  // One that this QEMU does not know is named to it, so that it says so.
  const off = wanted.filter(
    ([capability, state]) =>
      !known.has(capability) || (on.has(capability) && (!state || capability === CHECKED)),
  );
  for (const [capability] of off) on.delete(capability);
  await setCapabilities(
    qmp,
    off.map(([capability]) => capability),
    false,
  );
  await applyParameters(qmp, settings.parameters);
  const missing = wanted.filter(([capability, state]) => state && !on.has(capability));
  await setCapabilities(
    qmp,
    missing.map(([capability]) => capability),
    true,
  );
}

/** The capability that QEMU checks against parameters. */
const CHECKED = "zero-copy-send";

async function setCapabilities(qmp: QmpClient, names: string[], state: boolean): Promise<void> {
  if (names.length === 0) return;
  const capabilities = names.map((capability) => ({ capability, state }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
}

export async function applyParameters(qmp: QmpClient, parameters: Parameters): Promise<void> {
  const entries = Object.entries(parameters);
  if (entries.length === 0) return;
  const update = Object.fromEntries(entries.map(([name, value]) => [name, toQmp(value)]));
  await qmp.execute("migrate-set-parameters", update as MigrationParametersUpdate);
}

/** After a migration that did not complete; the guest's QEMU may be gone. */
export async function restoreParameters(
  qmp: QmpClient,
  before: Parameters,
  log: Log,
): Promise<void> {
  try {
    await applyParameters(qmp, before);
  } catch (error) {
    log.warn({ error, before }, "parameters stay changed");
  }
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
