import type { ParameterValue } from "../../core/protocol/probe.ts";
import type { SideSettings } from "../../core/protocol/side-settings.ts";
import type { QmpClient } from "../../qmp/client.ts";
import type { MigrationCapability, MigrationParametersUpdate } from "../../qmp/migration.ts";
import { parameterValue } from "../guest/qemu-probe.ts";
import type { Log } from "../runtime/log.ts";

export type Parameters = Record<string, ParameterValue>;

/** Capabilities by name: what this QEMU knows, and whether it is on. */
export type Capabilities = ReadonlyMap<string, boolean>;

export async function readCapabilities(qmp: QmpClient): Promise<Capabilities> {
  const present = await qmp.execute("query-migrate-capabilities");
  return new Map(present.map(({ capability, state }) => [capability, state]));
}

/**
 * What must not be on goes off, then the parameters, then on what shall be. QEMU checks zero-copy-send
 * and the parameters against each other as it finds them: compression or TLS left by an earlier
 * migration would have it refuse zero-copy-send, and zero-copy-send left on would have it refuse
 * compression. Capabilities that are as agreed are not set. Each command is taken whole or not at all;
 * all are sent at once and QEMU takes them in their order, so that what it refuses does not keep the
 * rest from being set.
 *
 * @param present as they are now.
 */
export async function applySettings(
  qmp: QmpClient,
  settings: SideSettings,
  present: Capabilities,
): Promise<void> {
  const wanted = Object.entries(settings.capabilities);
  const on = new Set([...present].flatMap(([capability, state]) => (state ? [capability] : [])));
  // One that this QEMU does not know is named to it, so that it says so.
  const off = wanted.filter(
    ([capability, state]) =>
      !present.has(capability) || (on.has(capability) && (!state || capability === CHECKED)),
  );
  for (const [capability] of off) on.delete(capability);
  const missing = wanted.filter(([capability, state]) => state && !on.has(capability));
  const switched = (names: [string, boolean][], state: boolean) =>
    names.map(([capability]) => ({ capability, state }));
  await Promise.all([
    setCapabilities(qmp, switched(off, false)),
    applyParameters(qmp, settings.parameters),
    setCapabilities(qmp, switched(missing, true)),
  ]);
}

/** The same for a QEMU in which nothing was set before; on a target before migrate-incoming. */
export async function applyFirstSettings(qmp: QmpClient, settings: SideSettings): Promise<void> {
  const capabilities = Object.entries(settings.capabilities);
  await Promise.all([
    applyParameters(qmp, settings.parameters),
    setCapabilities(
      qmp,
      capabilities.map(([capability, state]) => ({ capability, state })),
    ),
  ]);
}

/** The capability that QEMU checks against parameters. */
const CHECKED = "zero-copy-send";

async function setCapabilities(qmp: QmpClient, capabilities: MigrationCapability[]): Promise<void> {
  if (capabilities.length === 0) return;
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
