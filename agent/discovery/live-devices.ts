import type { QmpClient } from "../../qmp/client.ts";
import type { ObjectProperty } from "../../qmp/device.ts";
import { propertyOf } from "../guest/qom-property.ts";

type Part = Record<string, unknown>;

const PERIPHERAL = "/machine/peripheral";
/** What the device computes, what names another part, or what the place in the tree says. */
const NOT_SET =
  /^(parent_bus|realized|hotplugged|hotpluggable|type|busnr|drive|cyls|heads|secs|l?cyls|l?heads|l?secs|legacy-.*|virtio-backend)$/;
/** Types of properties that a definition can have. */
const PLAIN = /^(bool|u?int(8|16|32|64)?|size(32)?|str|string|OnOffAuto|[A-Z]\w*)$/;
/** Links to parts that a definition names. */
const LINK = /^link<(iothread|memory-backend|rng-backend|cryptodev-backend)>$/;

/** The devices that have an id, by their types; those on the command line and those plugged in. */
export async function namedDevices(qmp: QmpClient): Promise<Map<string, string>> {
  const listed = await qmp.execute("qom-list", { path: PERIPHERAL });
  const types = listed.flatMap(({ name, type }) => {
    const kind = /^child<(.*)>$/.exec(type)?.[1];
    return kind === undefined ? [] : [[name, kind] as const];
  });
  return new Map(types);
}

/**
 * A device that the command line does not have, by its properties that differ from the type's
 * defaults.
 *
 * @throws QmpError
 */
export async function pluggedDevice(qmp: QmpClient, id: string, driver: string): Promise<Part> {
  const path = `${PERIPHERAL}/${id}`;
  const [listed, own] = await Promise.all([
    qmp.execute("device-list-properties", { typename: driver }),
    qmp.execute("qom-list", { path }),
  ]);
  const known = new Set(own.map(({ name }) => name));
  const wanted = listed.filter(
    ({ name, type }) =>
      known.has(name) && !NOT_SET.test(name) && (PLAIN.test(type) || LINK.test(type)),
  );
  const values = await Promise.all(wanted.map(({ name }) => propertyOf(qmp, path, name)));
  const set = wanted.flatMap((property, at) => {
    const value = values[at];
    return isSet(property, value) ? [[property.name, plainValue(property, value)] as const] : [];
  });
  const bus = await busOf(qmp, path);
  return { driver, id, ...(bus === undefined ? {} : { bus }), ...Object.fromEntries(set) };
}

function isSet(property: ObjectProperty, value: unknown): boolean {
  if (value === undefined || value === null || typeof value === "object") return false;
  if (typeof value === "bigint") return false;
  const usual = property["default-value"];
  if (usual !== undefined) return String(usual) !== String(value);
  return value !== "" && value !== false && value !== 0 && value !== -1;
}

/** A link is named by the id of what it leads to. */
function plainValue({ type }: ObjectProperty, value: unknown): unknown {
  if (!LINK.test(type)) return value;
  const path = String(value);
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The name of a bus is the last part of its path. */
async function busOf(qmp: QmpClient, path: string): Promise<string | undefined> {
  const bus = await propertyOf(qmp, path, "parent_bus");
  if (typeof bus !== "string" || bus === "") return undefined;
  const name = bus.slice(bus.lastIndexOf("/") + 1);
  return name === "main-system-bus" ? undefined : name;
}

/** The devices in an order in which each comes after the one whose bus it is on. */
export function inOrder(devices: readonly Part[]): Part[] {
  const ids = new Set(devices.map(({ id }) => id));
  const placed = new Set<unknown>();
  const ordered: Part[] = [];
  let waiting = [...devices];
  while (waiting.length > 0) {
    const later = waiting.filter((device) => {
      const owner = ownerOf(device, ids);
      const isReady = owner === undefined || placed.has(owner);
      if (!isReady) return true;
      ordered.push(device);
      placed.add(device.id);
      return false;
    });
    if (later.length === waiting.length) return [...ordered, ...later];
    waiting = later;
  }
  return ordered;
}

/** A bus is named `id`, or `id.0`. */
function ownerOf({ bus, id }: Part, ids: ReadonlySet<unknown>): string | undefined {
  if (typeof bus !== "string") return undefined;
  const owner = ids.has(bus) ? bus : bus.replace(/\.\d+$/, "");
  return ids.has(owner) && owner !== id ? owner : undefined;
}
