import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { type CpioEntry, writeCpio } from "./cpio.ts";
import { ROOT } from "./debian-packages.ts";
import { type KernelModule, kernelRelease, readModules } from "./kernel-modules.ts";

const ZSTD_LEVEL = 9;

/** Stages that use it depend on it. */
export const INITRD_CODE = import.meta.filename;

/** Writes the first root file system of a machine, packed. */
export async function writeInitrd(file: string, entries: readonly CpioEntry[]): Promise<void> {
  const options = { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } };
  await writeFile(file, zstdCompressSync(writeCpio(entries), options));
}

export function folderEntry(name: string): CpioEntry {
  return { kind: "directory", name, mode: 0o755 };
}

/** What every one has: a console, busybox of the unpacked packages, and a first program. */
export async function firstEntries(cacheDir: string, init: Buffer): Promise<CpioEntry[]> {
  const busybox = await readFile(path.join(cacheDir, ROOT, "usr/bin/busybox"));
  return [
    { kind: "charDevice", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "file", name: "init", mode: 0o755, data: init },
    { kind: "file", name: "bin/busybox", mode: 0o755, data: busybox },
  ];
}

/** Modules of the unpacked kernel with what they need, and the order in which `init` loads them. */
export async function moduleEntries(
  cacheDir: string,
  wanted: readonly string[],
): Promise<CpioEntry[]> {
  const folder = path.join(cacheDir, ROOT, "usr/lib/modules", await kernelRelease(cacheDir));
  const found = await readModules(folder, wanted);
  const order = Buffer.from(found.map(({ name }) => `${name}\n`).join(""));
  return [
    ...found.map(({ name, data }) => moduleEntry({ name: `${name}.ko`, data })),
    { kind: "file", name: "modules/order", mode: 0o644, data: order },
  ];
}

export function moduleEntry({ name, data }: KernelModule): CpioEntry {
  return { kind: "file", name: `modules/${name}`, mode: 0o644, data };
}
