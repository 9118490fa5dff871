import type { Properties } from "../../core/twin/reading.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";

/** The properties of a QOM object, without its children and links. @throws QmpError */
export async function readProperties(
  qmp: QmpClient,
  path: string,
  isWanted: (name: string) => boolean,
): Promise<Properties> {
  const listed = await qmp.execute("qom-list", { path });
  const wanted = listed.filter(
    ({ name, type }) => !/^(child|link)</.test(type) && name !== "type" && isWanted(name),
  );
  const values = await Promise.all(
    wanted.map(({ name }) => optional(qmp.execute("qom-get", { path, property: name }))),
  );
  const known = wanted.map(({ name, type }, at) => {
    return [name, type === TOPOLOGY ? levels(values[at]) : values[at]] as const;
  });
  return texts(Object.fromEntries(known));
}

const TOPOLOGY = "SMPConfiguration";

/** Levels of a topology with more than one member: each version knows more levels. */
function levels(topology: unknown): unknown {
  if (typeof topology !== "object" || topology === null) return topology;
  return Object.fromEntries(Object.entries(topology).filter(([, count]) => Number(count) !== 1));
}

/** Undefined when QEMU refuses: it has no such command here, or the property cannot be read. */
export async function optional<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof QmpCommandError) return undefined;
    throw error;
  }
}

/** The type of a child as `qom-list` has it. */
export function childType(listed: string): string | undefined {
  return /^child<(.*)>$/.exec(listed)?.[1];
}

export function texts(values: Readonly<Record<string, unknown>>): Properties {
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    known.map(([name, value]) => [name, typeof value === "object" ? sorted(value) : String(value)]),
  );
}

/** JSON with its members in a fixed order. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === "bigint") return String(inner);
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
