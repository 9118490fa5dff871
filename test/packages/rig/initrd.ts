import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { readModules } from "../../guests/rig/modules.ts";
import { type CpioEntry, writeCpio } from "../../vfio/rig/cpio.ts";
import { kernelRelease } from "../../vfio/rig/kernel-module.ts";
import type { Stage } from "../../vfio/rig/stage.ts";

export const INITRD = "initrd.img";

const MODULES = ["virtio_blk", "virtio_net", "9pnet_virtio", "9p", "crc32c_generic", "ext4"];
const INIT = path.join(import.meta.dirname, "inside/init");

/** What reaches the disk, with the kernel of the real guests. `packages`: theirs, unpacked. */
export async function initrdStage(cacheDir: string, packages: string): Promise<Stage> {
  const release = await kernelRelease(path.dirname(packages));
  const init = await readFile(INIT);
  return {
    name: "initrd",
    inputs: [release, init, await readFile(import.meta.filename)],
    outputs: [INITRD],
    build: async () => {
      const busybox = await readFile(path.join(packages, "usr/bin/busybox"));
      const modules = await readModules(path.join(packages, "usr/lib/modules", release), MODULES);
      const order = Buffer.from(modules.map(({ name }) => `${name}\n`).join(""));
      const folders = ["bin", "dev", "disk", "modules", "proc", "sys"];
      const entries: CpioEntry[] = [
        ...folders.map((name): CpioEntry => ({ kind: "directory", name, mode: 0o755 })),
        { kind: "charDevice", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
        { kind: "file", name: "init", mode: 0o755, data: init },
        { kind: "file", name: "bin/busybox", mode: 0o755, data: busybox },
        ...modules.map(
          ({ name, data }): CpioEntry => ({
            kind: "file",
            name: `modules/${name}.ko`,
            mode: 0o644,
            data,
          }),
        ),
        { kind: "file", name: "modules/order", mode: 0o644, data: order },
      ];
      const options = { params: { [constants.ZSTD_c_compressionLevel]: 9 } };
      await writeFile(path.join(cacheDir, INITRD), zstdCompressSync(writeCpio(entries), options));
    },
  };
}
