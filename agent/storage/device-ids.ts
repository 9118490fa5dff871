import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Ids that a vendor gives once in the world. `t10` is left out: QEMU's own disks and others all have
 * the same.
 */
const UNIQUE = /^(naa|eui|uuid|nvme)\./;
/** A stack of device mapper, multipath and partitions has a few layers. */
const DEPTH_MAX = 16;

/**
 * Ids of a block device of this host that no other device has, on any host: of the device itself where
 * it is a mapping, and of each disk that it lies on. Empty when one of these disks has none.
 *
 * @param device its numbers, e.g. `8:16`
 */
export async function deviceIds(device: string, sys = "/sys"): Promise<string[]> {
  const ids = await idsOf(join(sys, "dev/block", device), 0);
  return [...new Set(ids ?? [])];
}

async function idsOf(link: string, depth: number): Promise<string[] | undefined> {
  if (depth > DEPTH_MAX) return undefined;
  const folder = await realpath(link).catch(() => undefined);
  if (folder === undefined) return undefined;
  const partition = await read(folder, "partition");
  if (partition !== undefined) {
    const whole = await idsOf(dirname(folder), depth + 1);
    const start = await read(folder, "start");
    return whole?.map((id) => `${id} partition ${partition} at ${start}`);
  }
  const rbd = await rbdId(join(folder, "device"));
  if (rbd !== undefined) return [rbd];
  const below = await readdir(join(folder, "slaves")).catch(() => []);
  if (below.length === 0) {
    const id = (await read(folder, "wwid")) ?? (await read(folder, "device/wwid"));
    return id !== undefined && UNIQUE.test(id) ? [id] : undefined;
  }
  const mapping = await read(folder, "dm/uuid");
  if (mapping === undefined) return undefined;
  const disks = await Promise.all(
    below.map((name) => idsOf(join(folder, "slaves", basename(name)), depth + 1)),
  );
  return disks.every((ids) => ids !== undefined) ? [mapping, ...disks.flat()] : undefined;
}

/** Linux, Documentation/ABI/testing/sysfs-bus-rbd. */
async function rbdId(folder: string): Promise<string | undefined> {
  const names = ["cluster_fsid", "pool_id", "image_id", "current_snap"];
  const values = await Promise.all(names.map((name) => read(folder, name)));
  return values.every((value) => value !== undefined) ? `rbd ${values.join("/")}` : undefined;
}

/** Undefined when there is no such attribute, or it is empty. */
async function read(folder: string, name: string): Promise<string | undefined> {
  const text = await readFile(join(folder, name), "utf8").catch(() => "");
  return text.trim() === "" ? undefined : text.trim();
}
