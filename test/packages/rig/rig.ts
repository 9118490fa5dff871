import { mkdir } from "node:fs/promises";
import path from "node:path";
import { buildGuestRig } from "../../guests/rig/rig.ts";
import { RigUnavailableError } from "../../machine/errors.ts";
import { lockFolder } from "../../machine/lock-folder.ts";
import { PROJECT_DIR } from "../../machine/project-dir.ts";
import { runStage } from "../../machine/stage.ts";
import { whyUnfit } from "../../machine/why-unfit.ts";
import { debianStage } from "./debian.ts";
import { DISK, diskStage } from "./disk.ts";
import { INITRD, initrdStage } from "./initrd.ts";

/** Programs that the build needs on this machine, each with the Debian package that has it. */
const PROGRAMS = { chroot: "coreutils", mke2fs: "e2fsprogs", unshare: "util-linux" };

/** What the machine with systemd boots from. */
export type MachineRig = {
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
};

/**
 * Builds what is missing or out of date in `.cache/packages` of the repository, and in the cache of
 * the real guests, whose kernel it takes: a minute and 2 GB the first time, a second afterwards.
 *
 * @throws RigUnavailableError when this machine cannot build it
 */
export async function buildMachineRig(onProgress: (line: string) => void): Promise<MachineRig> {
  const reason = whyUnfit("a Debian is installed in a chroot", PROGRAMS);
  if (reason !== undefined) throw new RigUnavailableError(reason);
  const guests = await buildGuestRig(onProgress);
  const cacheDir = path.join(PROJECT_DIR, ".cache/packages");
  const context = { cacheDir, onProgress };
  await mkdir(cacheDir, { recursive: true });
  const unlock = await lockFolder(cacheDir);
  try {
    const debianKey = await runStage(context, debianStage(context));
    await runStage(context, await diskStage(cacheDir, debianKey));
    await runStage(context, await initrdStage(cacheDir, guests.packages));
  } finally {
    await unlock();
  }
  return {
    kernel: guests.kernel,
    initrd: path.join(cacheDir, INITRD),
    disk: path.join(cacheDir, DISK),
  };
}
