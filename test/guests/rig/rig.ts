import { mkdir } from "node:fs/promises";
import path from "node:path";
import { type DebianPackages, ROOT, unpackPackages } from "../../machine/debian-packages.ts";
import { RigUnavailableError } from "../../machine/errors.ts";
import { lockFolder } from "../../machine/lock-folder.ts";
import { PROJECT_DIR } from "../../machine/project-dir.ts";
import { runStage, type Stage, type StageContext } from "../../machine/stage.ts";
import { whyUnfit } from "../../machine/why-unfit.ts";
import { BOOT_DISK, bootDiskStage } from "./boot-disk.ts";
import { BOOT_FILES, initrdStage } from "./initrd.ts";

const packages: DebianPackages = {
  suite: "trixie",
  names: [
    // what guests run and boot from
    ["linux-image-amd64", "busybox-static", "perl-base", "qemu-guest-agent"],
    ["ovmf", "systemd-boot-efi"],
    // what makes and checks their disks
    ["base-files", "coreutils", "dash", "syslinux", "mtools", "qemu-utils", "e2fsprogs"],
  ].flat(),
  downloadMb: 150,
};

/** Programs that the build needs on this machine, each with the Debian package that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  chroot: "coreutils",
  "dpkg-deb": "dpkg",
  ip: "iproute2",
  "qemu-system-x86_64": "qemu-system-x86",
  unshare: "util-linux",
  xz: "xz-utils",
};

/** Paths of what guests are made of. */
export type GuestRig = {
  /** Folder of the unpacked packages. */
  readonly packages: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly bootDisk: string;
  readonly firmware: { readonly code: string; readonly vars: string };
};

/**
 * Builds what is missing or out of date in the cache folder (`SWITCHYARD_GUESTS_CACHE`, else
 * `.cache/guests` in the repository): half a minute and 600 MB the first time, a second afterwards.
 *
 * @throws RigUnavailableError when this machine cannot build it.
 */
export async function buildGuestRig(onProgress: (line: string) => void): Promise<GuestRig> {
  const reason = whyUnfit("network namespaces, and a boot disk made in a chroot", PROGRAMS);
  if (reason !== undefined) throw new RigUnavailableError(reason);
  const cacheDir = path.resolve(
    process.env.SWITCHYARD_GUESTS_CACHE || path.join(PROJECT_DIR, ".cache/guests"),
  );
  const context = { cacheDir, onProgress };
  await mkdir(cacheDir, { recursive: true });
  const unlock = await lockFolder(cacheDir);
  try {
    const packagesKey = await runStage(context, packagesStage(context));
    const initrdKey = await runStage(context, await initrdStage(cacheDir, packagesKey));
    await runStage(context, bootDiskStage(cacheDir, initrdKey));
  } finally {
    await unlock();
  }
  const root = path.join(cacheDir, ROOT);
  const ovmf = path.join(root, "usr/share/OVMF");
  return {
    packages: root,
    kernel: path.join(cacheDir, BOOT_FILES.kernel),
    initrd: path.join(cacheDir, BOOT_FILES.initrd),
    bootDisk: path.join(cacheDir, BOOT_DISK),
    firmware: {
      code: path.join(ovmf, "OVMF_CODE_4M.fd"),
      vars: path.join(ovmf, "OVMF_VARS_4M.fd"),
    },
  };
}

function packagesStage(context: StageContext): Stage {
  return {
    name: "packages",
    inputs: [packages.suite, ...packages.names],
    outputs: [ROOT],
    build: () => unpackPackages(context, packages),
  };
}
