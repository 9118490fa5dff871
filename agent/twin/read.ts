import { readlinkSync } from "node:fs";
import { TLS_OBJECT } from "../../core/negotiate/tls.ts";
import {
  emptyParts,
  FIRST_VCPU,
  type Parts,
  type Properties,
  type Reading,
} from "../../core/twin/reading.ts";
import { isRead } from "../../core/twin/rules.ts";
import type { QmpClient } from "../../qmp/client.ts";
import type { ObjectProperty } from "../../qmp/device.ts";
import { type DiskEnd, StoredFiles } from "../storage/stored-files.ts";
import type { Twin } from "../storage/twin.ts";
import { cpuSlots, namedFeatures } from "./cpus.ts";
import { Disks } from "./disks.ts";
import { readFixed, type TwinGuest } from "./fixed.ts";
import { parseNetworkPeers } from "./network-peers.ts";
import { type Placeholders, withPlaceholders } from "./placeholders.ts";
import { childType, optional, readProperties, texts } from "./properties.ts";
import { parseQtree, type QtreeDevice } from "./qtree.ts";
import { parseRamBlocks } from "./ram-blocks.ts";

/** Everything is read within it, also by a QEMU that is busy. */
const READ_MS = 10_000;

/**
 * Reads what a QEMU is, for the twin check: 14 calls, and some 60 more for the first machine of a
 * shape. It changes nothing, and does not stop the guest.
 *
 * @throws QmpError
 */
export async function readTwin(guest: TwinGuest, placeholders: Placeholders): Promise<Twin> {
  const { qmp } = guest;
  const [read, peers, chardevs, fixed, slots, memory, objects, plugged] = await Promise.all([
    readDevices(guest),
    monitor(qmp, "info network"),
    qmp.execute("query-chardev"),
    readFixed(guest),
    optional(qmp.execute("query-hotpluggable-cpus")),
    readMemory(qmp),
    readObjects(qmp),
    Promise.all(PLUGGED.map((parent) => listPlugged(qmp, parent))),
  ]);
  const { devices, graph, files } = read;
  const kinds = new Map(chardevs.map(({ label, filename }) => [label, chardevKind(filename)]));
  const parts: Parts = {
    ...emptyParts(),
    machine: { machine: fixed.machine },
    vCPUs: { ...cpuSlots(slots ?? []), [FIRST_VCPU]: fixed.firstCpu },
    memory,
    device: { ...deviceParts(devices), ...(await readUnattached(qmp, plugged, devices)) },
    disk: diskParts(devices, graph),
    "network peer": namedParts(devices, "netdev", parseNetworkPeers(peers)),
    chardev: namedParts(devices, "chardev", kinds),
    object: objects,
  };
  const compared = withPlaceholders(parts, placeholders);
  return { reading: { qemu: versionOf(qmp), parts: compared, storage: files.storage }, files };
}

/** The tree of devices, the graph of block nodes, and the files at the ends of the disks. */
async function readDevices({ qmp, manifest }: TwinGuest) {
  const [tree, graph] = await Promise.all([
    monitor(qmp, "info qtree"),
    readDisks(qmp, manifest.pid),
  ]);
  const devices = parseQtree(tree);
  return { devices, graph, files: await StoredFiles.read(manifest, diskEnds(devices, graph)) };
}

/** Reads the names of the first vCPU's features, as a reading of nothing else. @throws QmpError */
export async function readFeatures(qmp: QmpClient): Promise<Reading> {
  const [first] = await qmp.execute("query-cpus-fast");
  const path = first?.["qom-path"];
  const features = path === undefined ? {} : await namedFeatures(qmp, path);
  return { qemu: versionOf(qmp), parts: { ...emptyParts(), vCPUs: { [FIRST_VCPU]: features } } };
}

function versionOf(qmp: QmpClient): string {
  const { major, minor, micro } = qmp.version.qemu;
  return `${major}.${minor}.${micro}`;
}

function monitor(
  qmp: QmpClient,
  line: "info qtree" | "info network" | "info ramblock",
): Promise<string> {
  return qmp.execute("human-monitor-command", { "command-line": line }, { timeoutMs: READ_MS });
}

/** `drive` is compared as a disk: nodes have other names where QEMU was started by others. */
function deviceParts(devices: readonly QtreeDevice[]): Record<string, Properties> {
  return Object.fromEntries(
    devices.map(({ place, type, id, properties }) => {
      const read = Object.entries(properties).filter(
        ([name]) => name !== "drive" && isRead("device", name),
      );
      return [place, { ...Object.fromEntries(read), type, id }];
    }),
  );
}

function diskParts(devices: readonly QtreeDevice[], disks: Disks): Record<string, Properties> {
  const withDrive = devices.filter(({ properties }) => properties.drive !== undefined);
  return Object.fromEntries(
    withDrive.map(({ place, properties }) => [place, disks.of(properties.drive ?? "")]),
  );
}

/** Drivers that store nothing. */
const EMPTY = new Set(["null-co", "null-aio"]);

function diskEnds(devices: readonly QtreeDevice[], disks: Disks): DiskEnd[] {
  return devices.flatMap(({ place, properties }) => {
    const stored = disks.leaves(properties.drive ?? "").filter(({ driver }) => !EMPTY.has(driver));
    return stored.map((leaf) => ({ ...leaf, place }));
  });
}

/** The kinds of what devices name by this property. */
function namedParts(
  devices: readonly QtreeDevice[],
  property: string,
  kinds: ReadonlyMap<string, string>,
): Record<string, Properties> {
  const ids = devices.flatMap(({ properties }) => properties[property] ?? []);
  const named = ids.filter((id) => id !== "" && id !== "<null>");
  return Object.fromEntries(named.map((id) => [id, { kind: kinds.get(id) ?? "none" }]));
}

/** `unix:/a/b,server=on` and `disconnected:unix:/a/b,server=on` are of kind `unix`. */
function chardevKind(filename: string): string {
  return filename.replace(/^disconnected:/, "").split(/[:,]/)[0] ?? "";
}

/** @throws QmpError */
export async function readDisks(qmp: QmpClient, pid: number): Promise<Disks> {
  const [devices, nodes, graph] = await Promise.all([
    qmp.execute("query-block"),
    qmp.execute("query-named-block-nodes", { flat: true }),
    optional(qmp.execute("x-debug-query-block-graph")),
  ]);
  const listsChildren = nodes.some(({ children }) => children !== undefined);
  return new Disks({
    devices,
    nodes,
    graph: listsChildren ? undefined : graph,
    folder: workingFolder(pid),
  });
}

function workingFolder(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // The process of another user: then relative names stay as they are.
  }
}

async function readMemory(qmp: QmpClient): Promise<Record<string, Properties>> {
  const [blocks, devices, backends] = await Promise.all([
    monitor(qmp, "info ramblock"),
    qmp.execute("query-memory-devices"),
    qmp.execute("query-memdev"),
  ]);
  const parts: Record<string, Properties> = {};
  for (const [name, bytes] of parseRamBlocks(blocks)) {
    parts[`RAM block ${name}`] = { "size in bytes": String(bytes) };
  }
  for (const { type, data } of devices) {
    // `hotplugged` is how it came; the size of a virtio-mem device is the guest's.
    const { hotplugged: _, size, id = "", ...rest } = data;
    const fixed = type === "virtio-mem" ? rest : { ...rest, size };
    parts[`device ${type} ${id}`] = texts(fixed);
  }
  for (const { id, ...rest } of backends)
    if (id !== undefined) parts[`backend ${id}`] = texts(rest);
  return parts;
}

async function readObjects(qmp: QmpClient): Promise<Record<string, Properties>> {
  const listed = await qmp.execute("qom-list", { path: "/objects" });
  const parts = listed.flatMap(({ name, type }) => {
    const kind = childType(type);
    const isOwn = name.startsWith(TLS_OBJECT);
    return kind === undefined || isOwn ? [] : [[name, { type: kind }] as const];
  });
  return Object.fromEntries(parts);
}

const PLUGGED = ["/machine/peripheral", "/machine/peripheral-anon"] as const;
type Plugged = { readonly parent: string; readonly children: readonly ObjectProperty[] };

async function listPlugged(qmp: QmpClient, parent: string): Promise<Plugged> {
  return { parent, children: await qmp.execute("qom-list", { path: parent }) };
}

/** Devices on no bus, such as vmgenid; those that are memory are read as memory. */
async function readUnattached(
  qmp: QmpClient,
  plugged: readonly Plugged[],
  devices: readonly QtreeDevice[],
): Promise<Record<string, Properties>> {
  const onBus = new Set(devices.map(({ type }) => type));
  const parts: Record<string, Properties> = {};
  const counts = new Map<string, number>();
  for (const { parent, children } of plugged) {
    for (const { name, type: listed } of children) {
      const type = childType(listed);
      if (type === undefined || onBus.has(type) || /-dimm$|^nvdimm$/.test(type)) continue;
      const count = counts.get(type) ?? 0;
      counts.set(type, count + 1);
      const properties = await readProperties(qmp, `${parent}/${name}`, isSetProperty);
      const id = parent.endsWith("-anon") ? "" : name;
      parts[`on no bus ${type}${count === 0 ? "" : `[${count}]`}`] = { ...properties, type, id };
    }
  }
  return parts;
}

const isSetProperty = (name: string) =>
  !/^(type|realized|hotplugged|hotpluggable|parent_bus)$/.test(name);
