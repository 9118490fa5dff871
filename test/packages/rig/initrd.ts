import { readFile } from "node:fs/promises";
import path from "node:path";
import {
  firstEntries,
  folderEntry,
  INITRD_CODE,
  moduleEntries,
  writeInitrd,
} from "../../machine/initrd-file.ts";
import { kernelRelease } from "../../machine/kernel-modules.ts";
import type { Stage } from "../../machine/stage.ts";

export const INITRD = "initrd.img";

const FOLDERS = ["bin", "dev", "disk", "modules", "proc", "sys"];
const MODULES = ["virtio_blk", "virtio_net", "9pnet_virtio", "9p", "crc32c_generic", "ext4"];
const INIT = path.join(import.meta.dirname, "inside/init");

/** What reaches the disk, with the kernel of the real guests. `packages`: theirs, unpacked. */
export async function initrdStage(cacheDir: string, packages: string): Promise<Stage> {
  const guestsDir = path.dirname(packages);
  const init = await readFile(INIT);
  const code = await Promise.all([import.meta.filename, INITRD_CODE].map((file) => readFile(file)));
  return {
    name: "initrd",
    inputs: [await kernelRelease(guestsDir), init, ...code],
    outputs: [INITRD],
    build: async () => {
      const entries = [
        ...FOLDERS.map(folderEntry),
        ...(await firstEntries(guestsDir, init)),
        ...(await moduleEntries(guestsDir, MODULES)),
      ];
      await writeInitrd(path.join(cacheDir, INITRD), entries);
    },
  };
}
