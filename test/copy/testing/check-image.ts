import { execFileSync } from "node:child_process";
import { renameSync, rmSync } from "node:fs";
import {
  checkDataDisk,
  createDataDisk,
  type DataDiskCheck,
  type DataDiskExpectation,
} from "../../../rig/guest/data-disk.ts";

export type Format = "raw" | "qcow2";

/** A blank image of the size that {@link createDataDisk} gives a disk with so many sectors. */
export async function createImage(path: string, format: Format, sectors: number): Promise<void> {
  await createDataDisk(path, sectors);
  if (format === "raw") return;
  const raw = `${path}.raw`;
  renameSync(path, raw);
  execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, path]);
  rmSync(raw);
}

/** Checks every sector of the image of a guest that stands still. */
export async function checkImage(
  path: string,
  format: Format,
  expected: DataDiskExpectation,
): Promise<DataDiskCheck> {
  if (format === "raw") return await checkDataDisk(path, expected);
  const raw = `${path}.raw`;
  execFileSync("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", path, raw]);
  try {
    return await checkDataDisk(raw, expected);
  } finally {
    rmSync(raw);
  }
}
