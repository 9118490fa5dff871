import type { ParameterValue } from "../../core/protocol/probe.ts";
import type { SideSettings } from "../../core/protocol/side-settings.ts";
import type { QmpClient } from "../../qmp/client.ts";
import type { MigrationParametersUpdate } from "../../qmp/migration.ts";
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
 * Sets a side of a migration up; on a target before migrate-incoming. Order: switch off, set
 * parameters, switch on. QEMU checks zero-copy-send and the parameters against each other:
 * compression or TLS left by an earlier migration would make it refuse zero-copy-send, and
 * zero-copy-send left on would make it refuse compression. All commands are sent at once and QEMU
 * takes them in order, each as a whole or not at all; what it refuses does not keep the rest from
 * being set.
 *
 * @param present the capabilities as they are now: those that are as agreed are not set. Omitted for
 *   a new QEMU, in which nothing is on: all are set, the off ones too.
 */
export async function applySettings(
  qmp: QmpClient,
  settings: SideSettings,
  present?: Capabilities,
): Promise<void> {
  const wanted = Object.entries(settings.capabilities);
  const { off, on } = present === undefined ? { off: [], on: wanted } : changes(wanted, present);
  await Promise.all([
    setCapabilities(qmp, off),
    applyParameters(qmp, settings.parameters),
    setCapabilities(qmp, on),
  ]);
}

type Wanted = [capability: string, state: boolean][];

/** Which capabilities have to be set, before and after the parameters. */
function changes(wanted: Wanted, present: Capabilities): { off: Wanted; on: Wanted } {
  const isOn = (name: string) => present.get(name) === true;
  // A capability that this QEMU does not know is set as well: QEMU's error then names it.
  const isSwitchedOff = ([name, state]: [string, boolean]) =>
    !present.has(name) || (isOn(name) && (!state || name === CHECKED));
  const off = wanted.filter(isSwitchedOff);
  const names = new Set(off.map(([name]) => name));
  const on = wanted.filter(([name, state]) => state && (names.has(name) || !isOn(name)));
  return { off: off.map(([name]) => [name, false]), on };
}

/** The capability that QEMU checks against parameters. */
const CHECKED = "zero-copy-send";

async function setCapabilities(qmp: QmpClient, states: Wanted): Promise<void> {
  if (states.length === 0) return;
  const capabilities = states.map(([capability, state]) => ({ capability, state }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
}

export async function applyParameters(qmp: QmpClient, parameters: Parameters): Promise<void> {
  const entries = Object.entries(parameters);
  if (entries.length === 0) return;
  const update = Object.fromEntries(entries.map(([name, value]) => [name, toQmp(value)]));
  await qmp.execute("migrate-set-parameters", update as MigrationParametersUpdate);
}

/** After a migration that did not complete; the guest's QEMU may have exited. */
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

/** An integer beyond 2^53 was sent as text, to stay exact. */
function toQmp(value: ParameterValue): ParameterValue | bigint {
  if (typeof value !== "string" || !/^\d{16,20}$/.test(value)) return value;
  return BigInt(value);
}
