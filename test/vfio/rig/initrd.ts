import { readFile, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { runCommand } from "../../machine/command.ts";
import type { CpioEntry } from "../../machine/cpio.ts";
import { ROOT } from "../../machine/debian-packages.ts";
import {
  firstEntries,
  folderEntry,
  INITRD_CODE,
  moduleEntries,
  moduleEntry,
  writeInitrd,
} from "../../machine/initrd-file.ts";
import { unpackKernel } from "../../machine/kernel-image.ts";
import { kernelRelease } from "../../machine/kernel-modules.ts";
import { PROJECT_DIR } from "../../machine/project-dir.ts";
import type { Stage } from "../../machine/stage.ts";
import { MTTY_MODULES } from "./kernel-module.ts";

const INSIDE = path.join(import.meta.dirname, "inside");
const CONTROL = path.join(PROJECT_DIR, "test/machine/inside/control.ts");
const DEADLINE_MS = 60_000;

/** Modules L1 loads at boot. */
const MODULES = ["9pnet_virtio", "9p", "virtio_net", "vfio", "vfio_iommu_type1", "mdev"];

/** Kernel and first root file system of L1, relative to the cache folder. */
export const BOOT_FILES = { kernel: "vmlinux", initrd: "initrd.img" };

/**
 * Packs what L1 needs before it reaches the shared folders: busybox, the modules and the rig's
 * guest. QEMU and every library come from the unpacked packages, Node and the agents from the
 * project. The smaller it is the sooner L1 starts: to unpack 30 MB in emulation costs a second.
 */
export async function initrdStage(cacheDir: string, modulesKey: string): Promise<Stage> {
  const init = await readFile(path.join(INSIDE, "init"));
  const guest = await readFile(path.join(INSIDE, "guest.s"));
  const control = await readFile(CONTROL, "utf8");
  const code = await Promise.all([import.meta.filename, INITRD_CODE].map((file) => readFile(file)));
  return {
    name: "initrd",
    inputs: [modulesKey, init, guest, control, ...code],
    outputs: Object.values(BOOT_FILES),
    build: async () => {
      const root = path.join(cacheDir, ROOT);
      const entries: CpioEntry[] = [
        ...skeleton(),
        ...(await firstEntries(cacheDir, init)),
        { kind: "file", name: "control.mjs", mode: 0o644, data: withoutTypes(control) },
        { kind: "file", name: "guest.img", mode: 0o644, data: await assemble(root, guest) },
        ...(await moduleEntries(cacheDir, MODULES)),
        ...(await mttyEntries(cacheDir)),
      ];
      await writeInitrd(path.join(cacheDir, BOOT_FILES.initrd), entries);
      const image = path.join(root, "boot", `vmlinuz-${await kernelRelease(cacheDir)}`);
      await writeFile(path.join(cacheDir, BOOT_FILES.kernel), unpackKernel(await readFile(image)));
    },
  };
}

/** For L1's first program alone: to strip its types in emulation would cost a second. */
function withoutTypes(source: string): Buffer {
  return Buffer.from(stripTypeScriptTypes(source));
}

function skeleton(): CpioEntry[] {
  const folders = ["bin", "dev", "etc", "modules", "packages", "proc", "project", "root", "run"];
  return [
    ...[...folders, "sys", "tmp", "var"].map(folderEntry),
    { kind: "link", name: "usr", target: "packages/usr" },
    { kind: "link", name: "var/tmp", target: "/tmp" }, // where QEMU puts snapshots
    { kind: "link", name: "lib", target: "usr/lib" },
    { kind: "link", name: "lib64", target: "usr/lib64" },
    { kind: "link", name: "bin/node", target: "/project/node_modules/node/bin/node" },
    { kind: "file", name: "etc/hosts", mode: 0o644, data: Buffer.from("127.0.0.1 localhost l1\n") },
  ];
}

function mttyEntries(cacheDir: string): Promise<CpioEntry[]> {
  const entries = Object.values(MTTY_MODULES).map(async (name) =>
    moduleEntry({ name, data: await readFile(path.join(cacheDir, name)) }),
  );
  return Promise.all(entries);
}

async function assemble(root: string, source: Uint8Array): Promise<Buffer> {
  const script = `
    as --32 -o /tmp/guest.o - && ld -m elf_i386 -Ttext 0x7c00 -e start --oformat binary \
      -o /tmp/guest.img /tmp/guest.o && cat /tmp/guest.img && rm /tmp/guest.o /tmp/guest.img`;
  const options = { input: source, deadlineMs: DEADLINE_MS };
  const image = await runCommand("chroot", [root, "sh", "-c", script], options);
  if (image.length !== 512) {
    throw new Error(`Expected a boot sector of 512 bytes, got ${image.length}`);
  }
  return image;
}
