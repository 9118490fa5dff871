import type { MachineType, ParameterValue, QemuProbe } from "../../core/protocol/probe.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";

const LEGACY = { type: "migration", property: "switchover-ack-legacy" };

/** What negotiation needs to know of a QEMU, queried from a running process. `binary`: a label. */
export async function probeQemu(qmp: QmpClient, binary: string): Promise<QemuProbe> {
  const [target, capabilities, parameters, machines, schema, vfio, trace, tls] = await Promise.all([
    qmp.execute("query-target"),
    qmp.execute("query-migrate-capabilities"),
    qmp.execute("query-migrate-parameters"),
    queryMachines(qmp),
    qmp.execute("query-qmp-schema", {}, { timeoutMs: 30_000 }),
    vfioProperties(qmp),
    tracesToLog(qmp),
    qmp.execute("qom-list-types", { implements: "tls-creds" }),
  ]);
  const { major, minor, micro } = qmp.version.qemu;
  const find = schemaReader(schema);
  return {
    binary,
    version: { major, minor, micro, package: qmp.version.package },
    architecture: target.arch,
    capabilities: capabilities.map((entry) => entry.capability),
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => [name, parameterValue(value)]),
    ),
    machines,
    multifdCompression: find.enumOf("migrate-set-parameters", "multifd-compression"),
    exitOnError: find.members("migrate-incoming").includes("exit-on-error"),
    vfioProperties: vfio,
    tlsCredentials: tls.map(({ name }) => name.replace(/^tls-creds-/, "")),
    traceLog: trace,
  };
}

/** The probe with only one machine type, given by name or alias: that of the guest. */
export function limitToMachine(probe: QemuProbe, machine: string | undefined): QemuProbe {
  if (machine === undefined) return probe;
  const machines = probe.machines.filter(({ name, alias }) => [name, alias].includes(machine));
  return { ...probe, machines };
}

/** `compat-props` exists from 9.1 on (QAPI schema, machine.json, query-machines). */
async function queryMachines(qmp: QmpClient): Promise<MachineType[]> {
  const { major, minor } = qmp.version.qemu;
  const withProps = major > 9 || (major === 9 && minor >= 1);
  const machines = await qmp.execute("query-machines", withProps ? { "compat-props": true } : {});
  const hasNewAck = machines.some((machine) => legacyOf(machine["compat-props"]) !== undefined);
  const hasAck = major > 8 || (major === 8 && minor >= 1);
  return machines.map((machine) => {
    // If the property exists, a machine type that does not set it has the new ACK.
    const legacy = hasNewAck ? (legacyOf(machine["compat-props"]) ?? false) : true;
    return {
      name: machine.name,
      ...(machine.alias === undefined ? {} : { alias: machine.alias }),
      deprecated: machine.deprecated ?? false,
      ...(hasAck ? { switchoverAckLegacy: legacy } : {}),
    };
  });
}

type CompatProperties = readonly { "qom-type": string; property: string; value: string }[];

function legacyOf(properties: CompatProperties | undefined): boolean | undefined {
  const found = properties?.find(
    (entry) => entry["qom-type"] === LEGACY.type && entry.property === LEGACY.property,
  );
  return found === undefined ? undefined : found.value === "on" || found.value === "true";
}

async function vfioProperties(qmp: QmpClient): Promise<string[]> {
  try {
    const listed = await qmp.execute("device-list-properties", { typename: "vfio-pci" });
    return listed.map((property) => property.name);
  } catch (error) {
    if (error instanceof QmpCommandError) return []; // A build without VFIO.
    throw error;
  }
}

/** A trace event that can be enabled shows that a trace backend is built in. */
async function tracesToLog(qmp: QmpClient): Promise<boolean> {
  try {
    const events = await qmp.execute("trace-event-get-state", { name: "migrate_set_state" });
    return events.some((event) => event.state !== "unavailable");
  } catch (error) {
    if (error instanceof QmpCommandError) return false;
    throw error;
  }
}

type SchemaEntry = { name: string; "meta-type": string; [member: string]: unknown };
type Member = { name: string; type: string };

/**
 * Reads the answer to query-qmp-schema, which masks the names of types, but not those of commands,
 * members and enum values (QAPI schema, introspect.json).
 */
function schemaReader(schema: readonly SchemaEntry[]) {
  const byName = new Map(schema.map((entry) => [entry.name, entry]));
  const membersOf = (command: string): Member[] => {
    const argument = byName.get(String(byName.get(command)?.["arg-type"]));
    return (argument?.members as Member[] | undefined) ?? [];
  };
  return {
    members: (command: string): string[] => membersOf(command).map((member) => member.name),
    enumOf: (command: string, name: string): string[] => {
      const type = membersOf(command).find((member) => member.name === name)?.type;
      const found = type === undefined ? undefined : byName.get(type);
      return (found?.values as string[] | undefined) ?? [];
    },
  };
}

/** Integers beyond 2^53 are sent as text, lists and objects as JSON. */
export function parameterValue(value: unknown): ParameterValue {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value;
  }
  return value === null ? null : JSON.stringify(value);
}
