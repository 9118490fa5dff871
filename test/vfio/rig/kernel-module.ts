import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { runCommand } from "../../machine/command.ts";
import { ROOT } from "../../machine/debian-packages.ts";
import { kernelRelease } from "../../machine/kernel-modules.ts";
import type { Stage } from "../../machine/stage.ts";
import { addMttyKnobs } from "./mtty-knobs.ts";
import { kernelSourcePackage } from "./packages.ts";

const SOURCE = "mtty.c";
const BUILD_DEADLINE_MS = 120_000;

/** The mtty modules the rig builds: as upstream has it, and with the knobs of mtty-knobs.ts. */
export const MTTY_MODULES = { stock: "mtty-stock.ko", knobs: "mtty-knobs.ko" };

/** Extracts mtty's source from the kernel's source package. */
export function mttySourceStage(cacheDir: string, packagesKey: string): Stage {
  return {
    name: "mtty-source",
    inputs: [packagesKey],
    outputs: [SOURCE],
    build: async () => {
      const archive = await kernelSourcePackage(cacheDir);
      await writeFile(path.join(cacheDir, SOURCE), await readMttySource(archive));
    },
  };
}

/**
 * Compiles both modules with the unpacked packages' own compiler, the one the kernel was built
 * with.
 */
export function mttyModulesStage(cacheDir: string, sourceKey: string, upstream: string): Stage {
  const sources = { stock: upstream, knobs: addMttyKnobs(upstream) };
  return {
    name: "mtty-modules",
    inputs: [sourceKey, sources.stock, sources.knobs],
    outputs: Object.values(MTTY_MODULES),
    build: async () => {
      for (const variant of ["stock", "knobs"] as const) {
        await buildModule(cacheDir, sources[variant], MTTY_MODULES[variant]);
      }
    },
  };
}

export async function readMttyUpstream(cacheDir: string): Promise<string> {
  return await readFile(path.join(cacheDir, SOURCE), "utf8");
}

/** Reads the compressed archive of the kernel in the package only as far as this file. */
async function readMttySource(archive: string): Promise<Buffer> {
  const script = `
    dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
      xz -dc -T2 | tar -xO --occurrence=1 --wildcards 'linux-source-*/samples/vfio-mdev/mtty.c'`;
  const source = await runCommand("sh", ["-c", script, "sh", archive], {
    deadlineMs: BUILD_DEADLINE_MS,
  });
  if (source.length === 0) throw new Error(`Failed to find mtty.c in ${archive}`);
  return source;
}

async function buildModule(cacheDir: string, source: string, output: string): Promise<void> {
  const root = path.join(cacheDir, ROOT);
  const folder = path.join(root, "build");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  await writeFile(path.join(folder, "Makefile"), "obj-m := mtty.o\n");
  await writeFile(path.join(folder, "mtty.c"), source);
  const headers = `/usr/src/linux-headers-${await kernelRelease(cacheDir)}`;
  const options = { deadlineMs: BUILD_DEADLINE_MS };
  await runCommand("chroot", [root, "make", "-C", headers, "M=/build", "modules"], options);
  const strip = ["strip", "--strip-debug", "-R", ".BTF", "/build/mtty.ko", "-o", "/build/out.ko"];
  await runCommand("chroot", [root, ...strip], options);
  await writeFile(path.join(cacheDir, output), await readFile(path.join(folder, "out.ko")));
  await rm(folder, { recursive: true, force: true });
}
