import { type ActingGuestLoad, type DiskLoad, writeActingDisk } from "./acting-guest.ts";
import { type BootDiskDefinition, bootDiskDefinition } from "./boot-disk.ts";
import type { CounterReading } from "./serial.ts";

/** What the guest with a data disk does. Without an action it does nothing by itself. */
export type DataGuestLoad = Omit<ActingGuestLoad, "action" | "afterTicks"> &
  Partial<Pick<ActingGuestLoad, "action" | "afterTicks">> &
  DiskLoad;

/**
 * Writes the boot disk of the data guest: the acting guest that also writes the sectors of its data
 * disk in turn, round and round. Before it writes a sector it reads it and checks that it is what
 * was written one lap before. It does so by port I/O on the first disk of the first IDE channel.
 *
 * @throws {RangeError} when a value of `load` is out of its range.
 */
export async function writeDataGuestDisk(path: string, load: DataGuestLoad): Promise<void> {
  const { dataSectors, sectorsPerTick, ...rest } = load;
  const acting = { action: "none", afterTicks: 0, ...rest } as const;
  await writeActingDisk(path, acting, { dataSectors, sectorsPerTick });
}

export type DataDiskOptions = {
  /**
   * O_DIRECT. Default: true. Two hosts with one file need it: the page cache of the target's host may
   * be stale. On one host both QEMUs share the page cache, and false is as safe.
   */
  readonly direct?: boolean;
};

const DATA_NODE_NAME = "data";

/**
 * Describes the data disk to QEMU, for machine type `pc`. Source and target open the same file.
 * QEMU takes its write lock when it activates the node: a target with `-incoming` opens the file
 * without it, and takes it after the source has released it in the switchover (QEMU block.c,
 * bdrv_inactivate_all and bdrv_activate; block/file-posix.c, raw_check_perm). I/O errors stop the
 * guest.
 */
export function dataDiskDefinition(
  path: string,
  { direct = true }: DataDiskOptions = {},
): Pick<BootDiskDefinition, "devices"> & { blockdevs: Record<string, unknown>[] } {
  const cache = { direct, "no-flush": false };
  const file = { driver: "file", filename: path, locking: "on", cache };
  return {
    blockdevs: [{ ...file, "node-name": DATA_NODE_NAME }],
    devices: [dataDevice()],
  };
}

/**
 * The data disk with a blkdebug node above the file: every request of the kind gets EIO from the
 * start on. For errors that begin and end while QEMU runs see faulty-disk.ts.
 */
export function withInjectedErrors(
  definition: ReturnType<typeof dataDiskDefinition>,
  iotype: "read" | "write",
): ReturnType<typeof dataDiskDefinition> {
  const blockdevs = definition.blockdevs.flatMap((blockdev) => {
    if (blockdev["node-name"] !== DATA_NODE_NAME) return [blockdev];
    const image = { ...blockdev, "node-name": `${DATA_NODE_NAME}-file` };
    const rule = { event: "none", iotype, errno: 5 };
    const filter = { driver: "blkdebug", "node-name": DATA_NODE_NAME, image: image["node-name"] };
    return [image, { ...filter, "inject-error": [rule] }];
  });
  return { ...definition, blockdevs };
}

/** The data disk's device: `ide-hd` on the first channel, which stops the guest at I/O errors. */
export function dataDevice(): BootDiskDefinition["devices"][number] {
  return {
    driver: "ide-hd",
    id: "data-disk",
    bus: "ide.0",
    unit: 0,
    drive: DATA_NODE_NAME,
    rerror: "stop",
    werror: "stop",
  };
}

/** The boot disk and the data disk together, in the form of a VM definition. */
export function dataGuestDefinition(
  bootPath: string,
  dataPath: string,
  options?: DataDiskOptions,
): ReturnType<typeof dataDiskDefinition> {
  const boot = bootDiskDefinition(bootPath);
  const data = dataDiskDefinition(dataPath, options);
  return {
    blockdevs: [...boot.blockdevs, ...data.blockdevs],
    devices: [...boot.devices, ...data.devices],
  };
}

/** One line of the data guest. `errors` counts memory and disk. */
export type DataReading = CounterReading & {
  /** The generation that is being written. All sectors hold at least the generation before it. */
  readonly lap: number;
  /** Sectors written in this lap: the first so many hold this generation. */
  readonly writes: number;
  /** Sectors that did not hold what was written one lap before, and commands that failed. */
  readonly diskErrors: number;
};

const LINE =
  /lap=(\d{1,10}) writes=(\d{1,10}) disk-errors=(\d{1,10}) counter=(\d{1,10}) errors=(\d{1,10})\r?\n/g;

/**
 * Reads every whole line of the data guest, oldest first. `parseSerialLog` and `waitForCounter` read
 * the same lines. The source's log followed by the target's reads as one log.
 */
export function parseDataLog(text: string): readonly DataReading[] {
  return [...text.matchAll(LINE)].map((match) => {
    const [lap = 0, writes = 0, diskErrors = 0, counter = 0, errors = 0] = match
      .slice(1)
      .map(Number);
    return { lap, writes, diskErrors, counter, errors };
  });
}
