import { mkdir } from "node:fs/promises";
import path from "node:path";
import { ROOT } from "../../machine/debian-packages.ts";
import { RigUnavailableError } from "../../machine/errors.ts";
import { lockFolder } from "../../machine/lock-folder.ts";
import { PROJECT_DIR } from "../../machine/project-dir.ts";
import { runStage } from "../../machine/stage.ts";
import { whyUnfit } from "../../machine/why-unfit.ts";
import { BOOT_FILES, initrdStage } from "./initrd.ts";
import { mttyModulesStage, mttySourceStage, readMttyUpstream } from "./kernel-module.ts";
import { packagesStage } from "./packages.ts";

/** Programs the build and L1 need on this machine, each with the Debian package that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  chroot: "coreutils",
  "dpkg-deb": "dpkg",
  "qemu-system-x86_64": "qemu-system-x86",
  tar: "tar",
  xz: "xz-utils",
};

/** What L1 boots from. */
export type Rig = {
  kernel: string;
  initrd: string;
  /** Folder of unpacked packages that L1 has as /packages and /usr, read-only. */
  packages: string;
};

export type RigOptions = {
  /** Default: SWITCHYARD_VFIO_CACHE, else `.cache/vfio-rig` in the repository. */
  cacheDir?: string;
  /** Called with one line for each step. Default: silent. */
  onProgress?: (line: string) => void;
};

/**
 * Builds what is missing or out of date in the cache folder: about a minute and 1.5 GB the first
 * time, a second afterwards.
 *
 * @throws RigUnavailableError when this machine cannot build it; other errors are faults of the
 * rig.
 */
export async function buildRig(options: RigOptions = {}): Promise<Rig> {
  const reason = whyUnavailable();
  if (reason !== undefined) throw new RigUnavailableError(reason);
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const context = { cacheDir, onProgress: options.onProgress ?? (() => {}) };
  await mkdir(cacheDir, { recursive: true });
  const unlock = await lockFolder(cacheDir);
  try {
    const packagesKey = await runStage(context, packagesStage(context));
    const sourceKey = await runStage(context, mttySourceStage(cacheDir, packagesKey));
    const upstream = await readMttyUpstream(cacheDir);
    const modulesKey = await runStage(context, mttyModulesStage(cacheDir, sourceKey, upstream));
    await runStage(context, await initrdStage(cacheDir, modulesKey));
  } finally {
    await unlock();
  }
  return {
    kernel: path.join(cacheDir, BOOT_FILES.kernel),
    initrd: path.join(cacheDir, BOOT_FILES.initrd),
    packages: path.join(cacheDir, ROOT),
  };
}

/** Why the rig cannot be built here, on one line; undefined when it can. */
export function whyUnavailable(): string | undefined {
  return whyUnfit("the kernel module is built in a chroot", PROGRAMS);
}

export function defaultCacheDir(): string {
  const chosen = process.env.SWITCHYARD_VFIO_CACHE;
  if (chosen !== undefined && chosen !== "") return path.resolve(chosen);
  return path.join(PROJECT_DIR, ".cache/vfio-rig");
}
