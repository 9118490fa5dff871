import { open } from "node:fs/promises";
import { bootSector, type GuestLoad } from "./boot-sector.ts";

/**
 * SeaBIOS reads the boot sector by cylinder, head and sector, and takes a disk of less than one
 * cylinder (16 heads of 63 sectors) as one of none: "could not read the boot disk". Only `ide-hd`
 * on `pc` gets by, because SeaBIOS believes the drive's own geometry there.
 */
const DISK_BYTES = 1024 * 1024;

const NODE_NAME = "boot";

/**
 * Writes a disk image of 1 MiB (sparse: 4 KiB on disk) that boots the guest. The guest reads it
 * once, at boot, and never writes it.
 *
 * @throws {RangeError} when a value of `load` is out of its range.
 */
export async function writeBootDisk(path: string, load: GuestLoad): Promise<void> {
  await writeBootImage(path, bootSector(load));
}

/** Writes a disk image of 1 MiB (sparse) that begins with `image`. */
export async function writeBootImage(path: string, image: Uint8Array): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(image);
    await file.truncate(DISK_BYTES);
  } finally {
    await file.close();
  }
}

/** The part of a VM definition that is one disk: arguments of `-blockdev` and `-device`. */
export type BootDiskDefinition = {
  readonly blockdevs: Record<string, string | number | boolean>[];
  readonly devices: Record<string, string | number | boolean>[];
};

/**
 * Describes the boot disk to QEMU. Read-only, so that source and target may hold the same file open
 * at once: QEMU takes no write lock on it. `virtio-blk-pci` accepts a read-only disk (`ide-hd` does
 * not), boots on `pc` and `q35`, and migrates between QEMU 7.2, 10.0 and 11.1 under one versioned
 * machine type.
 */
export function bootDiskDefinition(path: string): BootDiskDefinition {
  return {
    blockdevs: [{ driver: "file", "node-name": NODE_NAME, filename: path, "read-only": true }],
    devices: [{ driver: "virtio-blk-pci", id: "boot-disk", drive: NODE_NAME, bootindex: 0 }],
  };
}
