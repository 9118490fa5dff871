import { readdir, readFile, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { runCommand } from "./command.ts";
import { type CpioEntry, writeCpio } from "./cpio.ts";
import { ROOT } from "./debian-packages.ts";
import { unpackKernel } from "./kernel-image.ts";
import { kernelRelease, MTTY_MODULES } from "./kernel-module.ts";
import type { Stage } from "./stage.ts";

const INSIDE = path.join(import.meta.dirname, "inside");
const DEADLINE_MS = 60_000;

/** Modules L1 loads at boot, in an order that satisfies their dependencies. */
const MODULES: readonly string[] = [
  ["netfs", "9pnet", "9pnet_virtio", "9p"],
  ["failover", "net_failover", "virtio_net"],
  ["vfio", "vfio_iommu_type1", "mdev"],
].flat();

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
  const control = await readFile(path.join(INSIDE, "control.ts"), "utf8");
  return {
    name: "initrd",
    inputs: [modulesKey, init, guest, control, await readFile(import.meta.filename)],
    outputs: Object.values(BOOT_FILES),
    build: async () => {
      const root = path.join(cacheDir, ROOT);
      const busybox = await readFile(path.join(root, "usr/bin/busybox"));
      const entries: CpioEntry[] = [
        ...skeleton(),
        { kind: "file", name: "init", mode: 0o755, data: init },
        { kind: "file", name: "bin/busybox", mode: 0o755, data: busybox },
        { kind: "file", name: "control.mjs", mode: 0o644, data: withoutTypes(control) },
        { kind: "file", name: "guest.img", mode: 0o644, data: await assemble(root, guest) },
        ...(await modules(cacheDir)),
      ];
      const options = { params: { [constants.ZSTD_c_compressionLevel]: 9 } };
      const packed = zstdCompressSync(writeCpio(entries), options);
      await writeFile(path.join(cacheDir, BOOT_FILES.initrd), packed);
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
    ...[...folders, "sys", "tmp", "var"].map(
      (name): CpioEntry => ({ kind: "directory", name, mode: 0o755 }),
    ),
    { kind: "link", name: "usr", target: "packages/usr" },
    { kind: "link", name: "var/tmp", target: "/tmp" }, // where QEMU puts snapshots
    { kind: "link", name: "lib", target: "usr/lib" },
    { kind: "link", name: "lib64", target: "usr/lib64" },
    { kind: "link", name: "bin/node", target: "/project/node_modules/node/bin/node" },
    { kind: "charDevice", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "file", name: "etc/hosts", mode: 0o644, data: Buffer.from("127.0.0.1 localhost l1\n") },
  ];
}

async function modules(cacheDir: string): Promise<CpioEntry[]> {
  const folder = path.join(cacheDir, ROOT, "usr/lib/modules", await kernelRelease(cacheDir));
  const files = await readdir(folder, { recursive: true });
  const entries: CpioEntry[] = [];
  for (const module of MODULES) {
    const file = files.find((name) => path.basename(name) === `${module}.ko.xz`);
    if (file === undefined) throw new Error(`Failed to find kernel module ${module}`);
    const args = ["-dc", path.join(folder, file)];
    const data = await runCommand("xz", args, { deadlineMs: DEADLINE_MS });
    entries.push({ kind: "file", name: `modules/${module}.ko`, mode: 0o644, data });
  }
  for (const name of Object.values(MTTY_MODULES)) {
    const data = await readFile(path.join(cacheDir, name));
    entries.push({ kind: "file", name: `modules/${name}`, mode: 0o644, data });
  }
  const order = Buffer.from(MODULES.map((module) => `${module}\n`).join(""));
  return [...entries, { kind: "file", name: "modules/order", mode: 0o644, data: order }];
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
