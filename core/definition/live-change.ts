import type { DefinitionParts } from "./parts.ts";
import type { QapiObject } from "./values.ts";

/** What is done to a guest that runs, so that it is as another definition says. */
export type LiveChange = {
  /** Ids of devices that are unplugged. */
  readonly unplugged: readonly string[];
  /** Drives that get another medium; without `node` they are left empty. */
  readonly media: readonly MediumChange[];
  /** Names of parts that go, in an order in which each can. */
  readonly removed: Readonly<Record<PartKind, readonly string[]>>;
  /** Indices of parts that come, in the lists of the new definition. */
  readonly added: Readonly<Record<PartKind | "devices", readonly number[]>>;
};

export type MediumChange = {
  readonly device: string;
  /** The node that comes. */
  readonly node?: string;
  /** The node that goes. */
  readonly old?: string;
};

export type PartKind = "blockdevs" | "netdevs" | "objects";

/** Where a PCI device is; QEMU chooses it when the definition does not say it. */
export type PciAddress = { readonly bus: string; readonly addr: string };

const KINDS: readonly PartKind[] = ["blockdevs", "netdevs", "objects"];
/** What the memory of the VM is counted without, and what only a start can bring. */
const NOT_LIVE = /^(pc-dimm|nvdimm|virtio-mem|virtio-pmem)|-cpu$/;

/** The guest cannot become as the definition says while it runs. */
export class NotLiveError extends Error {
  override name = "NotLiveError";
}

/**
 * How a guest becomes as another definition says, while it runs: devices, and the parts that they use,
 * come and go, and drives get other media.
 *
 * @throws NotLiveError that names what cannot be changed
 */
export function liveChange(before: DefinitionParts, after: DefinitionParts): LiveChange {
  refuseOtherFields(before, after);
  const media: MediumChange[] = [];
  const unplugged: string[] = [];
  const old = byId(before.devices);
  const wanted = byId(after.devices);
  refuseNameless(before.devices, after.devices);
  for (const [id, device] of old) {
    const now = wanted.get(id);
    if (now === undefined) unplugged.push(id);
    else if (!isSameDevice(device, now)) media.push(mediumOf(id, device, now));
  }
  const added = after.devices.flatMap((device, index) =>
    typeof device.id === "string" && !old.has(device.id) ? [index] : [],
  );
  for (const index of added) refuseNotLive(after.devices[index]);
  const kinds = KINDS.map((kind) => [kind, changed(before[kind] ?? [], after[kind] ?? [], kind)]);
  const parts = Object.fromEntries(kinds) as Record<PartKind, ReturnType<typeof changed>>;
  return {
    // What was plugged in last may hang on what was there before.
    unplugged: unplugged.toReversed(),
    media,
    removed: {
      blockdevs: parts.blockdevs.removed,
      netdevs: parts.netdevs.removed,
      objects: parts.objects.removed,
    },
    added: {
      blockdevs: parts.blockdevs.added,
      netdevs: parts.netdevs.added,
      objects: parts.objects.added,
      devices: added,
    },
  };
}

/** The definition with the addresses of devices that do not say theirs. */
export function withAddresses(
  definition: DefinitionParts,
  addresses: Readonly<Record<string, PciAddress>>,
): DefinitionParts {
  const devices = definition.devices.map((device) => {
    const address = typeof device.id === "string" ? addresses[device.id] : undefined;
    return address === undefined || device.addr !== undefined ? device : { ...device, ...address };
  });
  return { ...definition, devices };
}

function mediumOf(id: string, before: QapiObject, now: QapiObject): MediumChange {
  const { drive: old, ...rest } = before;
  const { drive: node, ...restNow } = now;
  if (!isSameDevice(rest, restNow)) {
    throw new NotLiveError(
      `Expected only the medium of device ${id} to change in a guest that runs: unplug the device, and plug it in as it shall be`,
    );
  }
  return {
    device: id,
    ...(typeof node === "string" ? { node } : {}),
    ...(typeof old === "string" ? { old } : {}),
  };
}

/** A device that says where it is, and one that leaves it to QEMU, are the same. */
function isSameDevice(before: QapiObject, now: QapiObject): boolean {
  if ((before.addr === undefined) === (now.addr === undefined)) return isSame(before, now);
  const anywhere = ({ bus: _, addr: __, ...device }: QapiObject) => device;
  return isSame(anywhere(before), anywhere(now));
}

function changed(before: readonly QapiObject[], after: readonly QapiObject[], kind: PartKind) {
  const name = (part: QapiObject) => String(kind === "blockdevs" ? part["node-name"] : part.id);
  const again = after
    .filter((part) => name(part) !== "undefined")
    .find((part) => before.some((one) => name(one) === name(part) && !isSame(one, part)));
  if (again !== undefined) {
    throw new NotLiveError(
      `Expected ${name(again)} in ${kind} to stay as it is in a guest that runs: give what comes another name`,
    );
  }
  const same = (one: QapiObject) => (other: QapiObject) => isSame(one, other);
  const gone = before.filter((part) => !after.some(same(part)));
  const nameless = gone.find((part) => name(part) === "undefined");
  if (nameless !== undefined) {
    throw new NotLiveError(`Expected a name of what is removed from ${kind}, which it has not`);
  }
  return {
    removed: gone.map(name).toReversed(),
    added: after.flatMap((part, index) => (before.some(same(part)) ? [] : [index])),
  };
}

function refuseOtherFields(before: DefinitionParts, after: DefinitionParts): void {
  const live = new Set<string>([...KINDS, "devices"]);
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  const other = [...fields].find(
    (field) => !live.has(field) && !isSame(Reflect.get(before, field), Reflect.get(after, field)),
  );
  if (other === undefined) return;
  throw new NotLiveError(`Expected ${other} to stay as it is in a guest that runs`);
}

function refuseNameless(before: readonly QapiObject[], after: readonly QapiObject[]): void {
  const nameless = (devices: readonly QapiObject[]) =>
    devices.filter(({ id }) => typeof id !== "string");
  if (isSame(nameless(before), nameless(after))) return;
  throw new NotLiveError("Expected an `id` of each device that is plugged in or out");
}

function refuseNotLive(device: QapiObject | undefined): void {
  const driver = String(device?.driver);
  if (!NOT_LIVE.test(driver)) return;
  throw new NotLiveError(
    `Expected no memory or CPU to be plugged in, got ${driver}: start the VM with what it shall have`,
  );
}

function byId(devices: readonly QapiObject[]): Map<string, QapiObject> {
  return new Map(
    devices.flatMap((device) => (typeof device.id === "string" ? [[device.id, device]] : [])),
  );
}

/** Parts are JSON: the order of members means nothing. */
function isSame(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
