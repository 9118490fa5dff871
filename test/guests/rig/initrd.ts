import type { Dirent } from "node:fs";
import { readdir, readFile, realpath, writeFile } from "node:fs/promises";
import path from "node:path";
import type { CpioEntry } from "../../machine/cpio.ts";
import { ROOT } from "../../machine/debian-packages.ts";
import {
  firstEntries,
  folderEntry,
  INITRD_CODE,
  moduleEntries,
  writeInitrd,
} from "../../machine/initrd-file.ts";
import { unpackKernel } from "../../machine/kernel-image.ts";
import { kernelRelease } from "../../machine/kernel-modules.ts";
import type { Stage } from "../../machine/stage.ts";
import { LOADER, librariesOf } from "./programs.ts";

/** `kernel`: the ELF that QEMU starts by itself; `bzImage`: the same for boot loaders. */
export const BOOT_FILES = { kernel: "vmlinux", bzImage: "bzImage", initrd: "initrd.img" };

const MODULES = [
  ["virtio_blk", "virtio_net", "virtio_scsi", "e1000"],
  ["sd_mod", "ata_piix", "ahci", "crc32c_generic", "ext4"],
].flat();
const PROGRAMS = ["usr/bin/perl", "usr/sbin/qemu-ga"];
const PERL = "usr/lib/x86_64-linux-gnu/perl-base";
const INSIDE = path.join(import.meta.dirname, "../inside");

/** The guests' root, which lies in memory, and their kernel. */
export async function initrdStage(cacheDir: string, packagesKey: string): Promise<Stage> {
  const init = await readFile(path.join(INSIDE, "init"));
  const program = await readFile(path.join(INSIDE, "guest.pl"));
  const code = await Promise.all([import.meta.filename, INITRD_CODE].map((file) => readFile(file)));
  return {
    name: "initrd",
    inputs: [packagesKey, init, program, ...code],
    outputs: Object.values(BOOT_FILES),
    build: async () => {
      const root = path.join(cacheDir, ROOT);
      const entries: CpioEntry[] = [
        ...folders(),
        ...(await firstEntries(cacheDir, init)),
        { kind: "file", name: "guest.pl", mode: 0o644, data: program },
        ...(await programs(root)),
        ...(await perlModules(root)),
        ...(await moduleEntries(cacheDir, MODULES)),
      ];
      await writeInitrd(path.join(cacheDir, BOOT_FILES.initrd), entries);
      const image = path.join(root, "boot", `vmlinuz-${await kernelRelease(cacheDir)}`);
      const kernel = await readFile(image);
      await writeFile(path.join(cacheDir, BOOT_FILES.bzImage), kernel);
      await writeFile(path.join(cacheDir, BOOT_FILES.kernel), unpackKernel(kernel));
    },
  };
}

function folders(): CpioEntry[] {
  const libraries = [
    "usr",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib64",
  ];
  const names = ["bin", "dev", "modules", "proc", "run", "sbin", "sys", ...libraries];
  return [
    ...names.map(folderEntry),
    { kind: "link", name: "lib", target: "usr/lib" },
    { kind: "link", name: "lib64", target: "usr/lib64" },
    // qemu-ga writes the time that it has set to the RTC by it.
    { kind: "link", name: "sbin/hwclock", target: "../bin/busybox" },
  ];
}

async function programs(root: string): Promise<CpioEntry[]> {
  const libraries = await Promise.all(PROGRAMS.map((program) => librariesOf(root, program)));
  const files = new Set([...PROGRAMS, LOADER, ...libraries.flat()]);
  return await Promise.all([...files].map((file) => fileEntry(root, file)));
}

/** Perl's modules; its tables of Unicode are most of them, and are not used. */
async function perlModules(root: string): Promise<CpioEntry[]> {
  const found = await readdir(path.join(root, PERL), { recursive: true, withFileTypes: true });
  const names = (kept: (entry: Dirent) => boolean) =>
    found
      .filter(kept)
      .map(({ parentPath, name }) => path.relative(root, path.join(parentPath, name)))
      .filter((name) => !name.startsWith(`${PERL}/unicore`))
      .toSorted();
  const files = names((entry) => entry.isFile());
  return [
    ...[PERL, ...names((entry) => entry.isDirectory())].map(folderEntry),
    ...(await Promise.all(files.map((file) => fileEntry(root, file)))),
  ];
}

/** With its content, where the package has a link. */
async function fileEntry(root: string, name: string): Promise<CpioEntry> {
  const data = await readFile(await realpath(path.join(root, name)));
  return { kind: "file", name, mode: 0o755, data };
}
