import { type ImportNote, importNote } from "../../core/import/note.ts";
import { placeholderReason, resourceName } from "../../core/import/placeholder.ts";
import { TLS_OBJECT } from "../../core/negotiate/tls.ts";
import { VmDefinition } from "../../core/vm.ts";
import type { QmpClient } from "../../qmp/client.ts";
import type { BlockGraph } from "../../qmp/device.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { parseNetworkPeers } from "../twin/network-peers.ts";
import { parseQtree, type QtreeDevice } from "../twin/qtree.ts";
import { inOrder, namedDevices, pluggedDevice } from "./live-devices.ts";
import { LiveDisks } from "./live-disks.ts";

type Part = Record<string, unknown>;

export type LiveDefinition = {
  readonly definition: VmDefinition;
  readonly notes: readonly ImportNote[];
};

/** The object that QEMU makes for the memory of the boards `pc` and `q35`. */
const BOARD_MEMORY = "pc.ram";

/**
 * Corrects the definition of a command line by what QMP shows of its process: what was plugged in or
 * out, snapshots, changed media. The command line stands for what QMP hides.
 *
 * @throws CommandRefusedError `refused` when what is found makes no valid definition; QmpError
 */
export async function liveDefinition(
  qmp: QmpClient,
  given: VmDefinition,
  folder: string | undefined,
): Promise<LiveDefinition> {
  const notes: ImportNote[] = [];
  const [tree, types, blocks, machine, kvm] = await Promise.all([
    qmp.execute("human-monitor-command", { "command-line": "info qtree" }),
    namedDevices(qmp),
    readBlocks(qmp, folder),
    qmp.execute("qom-get", { path: "/machine", property: "type" }),
    qmp.execute("query-kvm"),
  ]);
  const qtree = parseQtree(tree);
  const devices = await liveDevices({ qmp, given, types, notes });
  const disks = new LiveDisks(blocks, given.blockdevs);
  nameDisks(devices, { qtree, disks, notes });
  const suffix = /\+pve\d+$/.exec(given.machine)?.[0] ?? "";
  const found = {
    ...given,
    machine: `${String(machine).replace(/-machine$/, "")}${suffix}`,
    accelerator: kvm.enabled ? "kvm" : "tcg",
    devices: inOrder(devices),
    blockdevs: [...firmwareNodes(given), ...disks.blockdevs],
    ...(await liveBackends({ qmp, given, devices, notes })),
  };
  const parsed = VmDefinition.safeParse(found);
  if (parsed.success) return { definition: parsed.data, notes };
  const [issue] = parsed.error.issues;
  throw new CommandRefusedError(
    "refused",
    `The running QEMU makes no valid definition: ${issue?.path.join(".")}: ${issue?.message}; send a definition of your own`,
  );
}

async function readBlocks(qmp: QmpClient, folder: string | undefined) {
  const [devices, nodes] = await Promise.all([
    qmp.execute("query-block"),
    qmp.execute("query-named-block-nodes", { flat: true }),
  ]);
  const listsChildren = nodes.some(({ children }) => children !== undefined);
  const graph: BlockGraph | undefined = listsChildren
    ? undefined
    : await qmp.execute("x-debug-query-block-graph");
  return { devices, nodes, graph, folder };
}

/** Flash is no device of a definition; its nodes stay as the command line has them. */
function firmwareNodes({ firmware, blockdevs }: VmDefinition): VmDefinition["blockdevs"] {
  if (firmware === undefined || !("code" in firmware)) return [];
  const names = [firmware.code, firmware.nvram];
  return blockdevs.filter((node) => names.includes(String(node["node-name"])));
}

type Live = {
  readonly qmp: QmpClient;
  readonly given: VmDefinition;
  readonly notes: ImportNote[];
};

/** Of the command line's devices those that are still there, and what was plugged in. */
async function liveDevices({
  qmp,
  given,
  types,
  notes,
}: Live & { types: ReadonlyMap<string, string> }): Promise<Part[]> {
  const known = given.devices.filter((device) => {
    const isThere = device.id === undefined || types.has(String(device.id));
    if (!isThere) {
      const reason = "it was unplugged since the start";
      notes.push(importNote("replaced", `device ${device.id} (${device.driver})`, reason));
    }
    return isThere;
  });
  const ids = new Set(known.map(({ id }) => id));
  const plugged = [...types].filter(([id]) => !ids.has(id));
  const added = await Promise.all(plugged.map(([id, type]) => pluggedDevice(qmp, id, type)));
  for (const { id, driver } of added) {
    const reason = "it was plugged in since the start: taken from QEMU's properties";
    notes.push(importNote("replaced", `device ${id} (${driver})`, reason));
  }
  return [...known.map((device) => ({ ...device })), ...added];
}

type Naming = {
  readonly qtree: readonly QtreeDevice[];
  readonly disks: LiveDisks;
  readonly notes: ImportNote[];
};

/** Gives each device with a disk the node that it has now. */
function nameDisks(devices: readonly Part[], { qtree, disks, notes }: Naming): void {
  const nameless = new Map<string, number>();
  for (const device of devices) {
    const running = find(device);
    const drive = running === undefined ? undefined : driveOf(running, qtree);
    if (running === undefined || drive === undefined) continue;
    const before = disks.unknown.length;
    const node = disks.nodeOf(drive, String(device.drive ?? `${device.id ?? running.type}-disk`));
    for (const unknown of disks.unknown.slice(before)) {
      const reason = "its medium is of a kind that is not read here: the drive is left empty";
      notes.push(importNote("unknown", `disk ${device.id ?? running.place}: ${unknown}`, reason));
    }
    if (node === undefined) delete device.drive;
    else device.drive = node;
  }

  function find({ id, driver, drive }: Part): QtreeDevice | undefined {
    if (id !== undefined) return qtree.find((one) => one.id === id);
    // Devices without an id are told apart by their order.
    const type = qtree.some((one) => one.type === driver) ? String(driver) : "";
    const of = qtree.filter((one) => one.type === type && one.id === "");
    const place = nameless.get(type) ?? 0;
    nameless.set(type, place + 1);
    const found = of[place];
    if (found === undefined && drive !== undefined) {
      const reason = "the running QEMU has no such device";
      notes.push(importNote("unknown", `device ${driver}`, reason));
    }
    return found;
  }
}

/** A virtio device on a bus such as PCI has its disk in the device inside. */
function driveOf({ place, properties }: QtreeDevice, qtree: readonly QtreeDevice[]) {
  const inner = `${place}/virtio-blk-device`;
  return properties.drive ?? qtree.find((one) => one.place === inner)?.properties.drive;
}

/** Networks, character devices and objects that devices name, which the command line does not have. */
async function liveBackends({
  qmp,
  given,
  devices,
  notes,
}: Live & { devices: readonly Part[] }): Promise<Part> {
  const [peers, chardevs, objects, memdevs] = await Promise.all([
    qmp.execute("human-monitor-command", { "command-line": "info network" }),
    qmp.execute("query-chardev"),
    qmp.execute("qom-list", { path: "/objects" }),
    qmp.execute("query-memdev"),
  ]);
  const kinds = parseNetworkPeers(peers);
  const used = (member: string) =>
    devices.flatMap((device) =>
      typeof device[member] === "string" ? [String(device[member])] : [],
    );
  const missing = (names: readonly string[], has: readonly Part[] = []) =>
    [...new Set(names)].filter((name) => !has.some(({ id }) => id === name));
  const netdevs = missing(used("netdev"), given.netdevs).map((id) =>
    networkOf(id, kinds.get(id), notes),
  );
  const sockets = missing(used("chardev"), given.chardevs).map((id) => {
    const filename = chardevs.find(({ label }) => label === id)?.filename ?? "";
    return chardevOf(id, filename, notes);
  });
  const added = objects.flatMap(({ name, type }) => {
    const kind = /^child<(.*)>$/.exec(type)?.[1];
    const isOwn = name === BOARD_MEMORY || name.startsWith(TLS_OBJECT);
    const isKnown = given.objects.some(({ id }) => id === name);
    if (kind === undefined || isOwn || isKnown) return [];
    return objectOf(name, kind, memdevs.find(({ id }) => id === name)?.size, notes);
  });
  return {
    ...(netdevs.length === 0 ? {} : { netdevs: [...(given.netdevs ?? []), ...netdevs] }),
    ...(sockets.length === 0 ? {} : { chardevs: [...(given.chardevs ?? []), ...sockets] }),
    objects: [...given.objects, ...added],
  };
}

function networkOf(id: string, kind: string | undefined, notes: ImportNote[]): Part {
  if (kind === "tap") {
    const name = resourceName(id) ?? "net";
    notes.push(importNote("replaced", `network ${id} (tap)`, placeholderReason(name, "tap")));
    return { type: "tap", id, ifname: { $host: name, type: "tap" } };
  }
  const reason = "it was added since the start: QEMU does not show its options, taken without any";
  notes.push(importNote("unknown", `network ${id} (${kind ?? "none"})`, reason));
  return { type: kind ?? "user", id };
}

function chardevOf(id: string, filename: string, notes: ImportNote[]): Part {
  const path = /^(?:disconnected:)?unix:([^,]+)(,server=on)?/.exec(filename);
  const reason = "it was added since the start";
  if (path !== null) {
    notes.push(importNote("replaced", `character device ${id}`, `${reason}: ${filename}`));
    const server = path[2] === undefined ? {} : { server: "on", wait: "off" };
    return { id, backend: "socket", path: path[1], ...server };
  }
  notes.push(
    importNote("unknown", `character device ${id}`, `${reason}: ${filename}; taken as null`),
  );
  return { id, backend: "null" };
}

const PLAIN_OBJECTS = /^(iothread|rng-builtin)$/;

function objectOf(id: string, type: string, size: unknown, notes: ImportNote[]): Part[] {
  const option = `object ${id} (${type})`;
  if (PLAIN_OBJECTS.test(type)) return [{ "qom-type": type, id }];
  if (/^memory-backend-(ram|memfd)$/.test(type) && size !== undefined) {
    return [{ "qom-type": type, id, size: Number(size) }];
  }
  notes.push(importNote("unknown", option, "it was added since the start: not in the definition"));
  return [];
}
