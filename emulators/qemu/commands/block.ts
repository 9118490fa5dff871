import { createBlockNode, type DirtyBitmap } from "../block.ts";
import type { Qemu } from "../qemu.ts";
import { type Commands, QmpError } from "../qmp/command.ts";
import type { Json, JsonObject } from "../qmp/text.ts";

const bitmap = { node: { type: "str" }, name: { type: "str" } } as const;
const drivers = ["null-co", "null-aio", "file", "raw", "qcow2", "host_device", "nbd"];

/** Block nodes and dirty bitmaps. */
export const blockCommands: Commands = {
  "blockdev-add": { arguments: "open", run: addNode },
  "blockdev-del": { arguments: { "node-name": { type: "str" } }, run: deleteNode },
  "block-dirty-bitmap-add": {
    arguments: {
      ...bitmap,
      granularity: { type: "int", optional: true },
      persistent: { type: "bool", optional: true },
      disabled: { type: "bool", optional: true },
    },
    run: addBitmap,
  },
  "block-dirty-bitmap-remove": { arguments: bitmap, run: removeBitmap },
  "block-dirty-bitmap-clear": {
    arguments: bitmap,
    run(qemu, given) {
      findIdleBitmap(qemu, given);
      return {};
    },
  },
  "query-named-block-nodes": {
    arguments: { flat: { type: "bool", optional: true } },
    run: (qemu) => [...qemu.block.nodes.keys()].map((name) => describeNode(qemu, name)),
  },
  "query-block": { arguments: {}, run: queryBlock },
};

function addNode(qemu: Qemu, given: JsonObject): Json {
  const { driver, "node-name": name, size, filename } = given;
  if (typeof driver !== "string") throw new QmpError("Parameter 'driver' is missing");
  if (!drivers.includes(driver)) {
    throw new QmpError(`Parameter 'driver' does not accept value '${driver}'`);
  }
  if (typeof name !== "string") {
    throw new QmpError("'node-name' must be specified for the root node");
  }
  if (qemu.block.nodes.has(name)) {
    throw new QmpError(`Duplicate nodes with node-name='${name}'`);
  }
  const node = createBlockNode({
    driver,
    sizeBytes: Number(size ?? 1 << 30),
    file: typeof filename === "string" ? filename : undefined,
    isReadOnly: given["read-only"] === true,
  });
  qemu.block.nodes.set(name, node);
  return {};
}

function deleteNode(qemu: Qemu, given: JsonObject): Json {
  const name = String(given["node-name"]);
  const node = qemu.block.nodes.get(name);
  if (!node) throw new QmpError(`Failed to find node with node-name='${name}'`);
  if ([...node.bitmaps.values()].some(({ isBusy }) => isBusy)) {
    throw new QmpError(`Node ${name} is in use`);
  }
  qemu.block.nodes.delete(name);
  return {};
}

function addBitmap(qemu: Qemu, given: JsonObject): Json {
  const node = findNode(qemu, given);
  const name = String(given.name);
  if (node.bitmaps.has(name)) throw new QmpError(`Bitmap already exists: ${name}`);
  const granularityBytes = Number(given.granularity ?? 65536);
  if (granularityBytes < 512 || (granularityBytes & (granularityBytes - 1)) !== 0) {
    throw new QmpError("Granularity must be a power of two no less than 512");
  }
  node.bitmaps.set(name, {
    granularityBytes,
    isPersistent: given.persistent === true,
    isRecording: given.disabled !== true,
    isBusy: false,
  });
  return {};
}

function removeBitmap(qemu: Qemu, given: JsonObject): Json {
  findIdleBitmap(qemu, given);
  findNode(qemu, given).bitmaps.delete(String(given.name));
  return {};
}

function findNode(qemu: Qemu, given: JsonObject): ReturnType<typeof createBlockNode> {
  const node = qemu.block.nodes.get(String(given.node));
  if (!node) throw new QmpError(`Node '${given.node}' not found`);
  return node;
}

function findIdleBitmap(qemu: Qemu, given: JsonObject): DirtyBitmap {
  const found = findNode(qemu, given).bitmaps.get(String(given.name));
  if (!found) throw new QmpError(`Dirty bitmap '${given.name}' not found`);
  if (found.isBusy) {
    throw new QmpError(
      `Bitmap '${given.name}' is currently in use by another operation and cannot be used`,
    );
  }
  return found;
}

function describeNode(qemu: Qemu, name: string): JsonObject {
  const node = qemu.block.nodes.get(name);
  const bitmaps = [...(node?.bitmaps ?? [])].map(([bitmapName, entry]) => ({
    name: bitmapName,
    recording: entry.isRecording,
    persistent: entry.isPersistent,
    busy: entry.isBusy,
    granularity: entry.granularityBytes,
    count: 0,
  }));
  return {
    "node-name": name,
    drv: node?.driver ?? "",
    ro: node?.isReadOnly ?? false,
    file: node?.file ?? `${node?.driver}://`,
    ...(bitmaps.length > 0 ? { "dirty-bitmaps": bitmaps } : {}),
    image: {
      filename: node?.file ?? `${node?.driver}://`,
      format: node?.driver ?? "",
      "virtual-size": node?.sizeBytes ?? 0,
    },
  };
}

function queryBlock(qemu: Qemu): Json {
  return [...qemu.block.nodes]
    .filter(([, { driveId }]) => driveId !== undefined)
    .map(([name, { driveId }]) => ({
      device: driveId,
      locked: false,
      removable: false,
      inserted: describeNode(qemu, name),
      type: "unknown",
    }));
}
