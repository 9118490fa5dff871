import type { DefinitionParts } from "./parts.ts";
import { usedNames } from "./references.ts";
import type { QapiObject } from "./values.ts";

/** A device with the parts that it needs and that the definition does not have yet. */
export type NewDevice = {
  readonly device: QapiObject;
  readonly blockdevs?: readonly QapiObject[] | undefined;
  readonly netdevs?: DefinitionParts["netdevs"];
  readonly objects?: readonly QapiObject[] | undefined;
};

/** The definition has no device with this id. */
export class NoSuchDeviceError extends Error {
  override name = "NoSuchDeviceError";

  constructor(id: string, { devices }: DefinitionParts) {
    const ids = devices.flatMap((device) => (typeof device.id === "string" ? [device.id] : []));
    const have = ids.length === 0 ? "no device has an id" : `there are ${ids.join(", ")}`;
    super(`The definition has no device ${id}; ${have}`);
  }
}

/** The definition with one more device. What does not fit together, its schema tells. */
export function plugDevice(definition: DefinitionParts, parts: NewDevice): DefinitionParts {
  const { device, blockdevs = [], netdevs = [], objects = [] } = parts;
  return {
    ...definition,
    devices: [...definition.devices, device],
    blockdevs: [...definition.blockdevs, ...blockdevs],
    objects: [...definition.objects, ...objects],
    ...(netdevs.length === 0 ? {} : { netdevs: [...(definition.netdevs ?? []), ...netdevs] }),
  };
}

/**
 * The definition without a device, and without the parts that only this device used.
 *
 * @throws NoSuchDeviceError
 */
export function unplugDevice(definition: DefinitionParts, id: string): DefinitionParts {
  const device = deviceOf(definition, id);
  const devices = definition.devices.filter((one) => one !== device);
  return withoutUnused(definition, { ...definition, devices });
}

/**
 * The definition with another medium in a drive, or with none. The old one goes with its nodes.
 *
 * @throws NoSuchDeviceError
 */
export function changeMedium(
  definition: DefinitionParts,
  id: string,
  medium: QapiObject | undefined,
): DefinitionParts {
  const device = deviceOf(definition, id);
  const { drive: _, ...empty } = device;
  const changed = medium === undefined ? empty : { ...empty, drive: medium["node-name"] ?? null };
  const devices = definition.devices.map((one) => (one === device ? changed : one));
  const ejected = withoutUnused(definition, {
    ...definition,
    devices: definition.devices.map((one) => (one === device ? empty : one)),
  });
  const nodes = medium === undefined ? [] : [medium];
  return { ...ejected, devices, blockdevs: [...ejected.blockdevs, ...nodes] };
}

function deviceOf(definition: DefinitionParts, id: string): QapiObject {
  const device = definition.devices.find((one) => one.id === id);
  if (device === undefined) throw new NoSuchDeviceError(id, definition);
  return device;
}

/** Parts that were used before and are not any more go, and then those that only they used. */
function withoutUnused(before: DefinitionParts, after: DefinitionParts): DefinitionParts {
  const was = usedNames(before);
  const is = usedNames(after);
  const isKept = (kind: "blockdevs" | "netdevs" | "objects", name: unknown) =>
    typeof name !== "string" || is[kind].has(name) || !was[kind].has(name);
  const blockdevs = after.blockdevs.filter((node) => isKept("blockdevs", node["node-name"]));
  const objects = after.objects.filter(({ id }) => isKept("objects", id));
  const netdevs = after.netdevs?.filter(({ id }) => isKept("netdevs", id));
  const next = { ...after, blockdevs, objects, ...(netdevs === undefined ? {} : { netdevs }) };
  const count = (one: DefinitionParts) =>
    one.blockdevs.length + one.objects.length + (one.netdevs?.length ?? 0);
  return count(next) === count(after) ? next : withoutUnused(before, next);
}
