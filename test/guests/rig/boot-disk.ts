import { copyFile, mkdir, rename, rm, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { runCommand } from "../../machine/command.ts";
import { ROOT } from "../../machine/debian-packages.ts";
import type { Stage } from "../../machine/stage.ts";
import { BOOT_FILES } from "./initrd.ts";
import { KERNEL_ARGUMENTS } from "./kernel-arguments.ts";

export const BOOT_DISK = "boot.img";

const SIZE_BYTES = 48 * 2 ** 20;
const DEADLINE_MS = 60_000;
const WORK = "tmp/boot";

const syslinuxConfig = `DEFAULT guest
PROMPT 0
LABEL guest
  KERNEL bzImage
  INITRD initrd.img
  APPEND ${KERNEL_ARGUMENTS}
`;
const systemdBootConfig = "timeout 0\n";
const systemdBootEntry = `title guest
linux /bzImage
initrd /initrd.img
options ${KERNEL_ARGUMENTS}
`;

/**
 * A disk that a BIOS boots by syslinux and UEFI by systemd-boot: one FAT file system, no partitions.
 */
export function bootDiskStage(cacheDir: string, initrdKey: string): Stage {
  return {
    name: "boot-disk",
    inputs: [initrdKey, syslinuxConfig, systemdBootConfig, systemdBootEntry, String(SIZE_BYTES)],
    outputs: [BOOT_DISK],
    build: async () => {
      const root = path.join(cacheDir, ROOT);
      const work = path.join(root, WORK);
      await rm(work, { recursive: true, force: true });
      await mkdir(work, { recursive: true });
      for (const name of [BOOT_FILES.bzImage, BOOT_FILES.initrd]) {
        await copyFile(path.join(cacheDir, name), path.join(work, name));
      }
      await writeFile(path.join(work, "syslinux.cfg"), syslinuxConfig);
      await writeFile(path.join(work, "loader.conf"), systemdBootConfig);
      await writeFile(path.join(work, "guest.conf"), systemdBootEntry);
      await writeFile(path.join(work, BOOT_DISK), "");
      await truncate(path.join(work, BOOT_DISK), SIZE_BYTES);
      const words = ["--mount", "sh", "-ec", withProc, "sh", root, fill];
      await runCommand("unshare", words, { deadlineMs: DEADLINE_MS });
      await rename(path.join(work, BOOT_DISK), path.join(cacheDir, BOOT_DISK));
      await rm(work, { recursive: true, force: true });
    },
  };
}

/** syslinux names the disk to mtools by a path below /proc. */
const withProc = `mount -t proc proc "$1/proc" && exec chroot "$1" sh -ec "$2"`;

/** In the unpacked packages: syslinux calls mtools by its name. */
const fill = `
  cd /${WORK}
  export MTOOLS_SKIP_CHECK=1
  mformat -i ${BOOT_DISK} -F -v GUEST ::
  mmd -i ${BOOT_DISK} ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
  mcopy -i ${BOOT_DISK} /usr/lib/systemd/boot/efi/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i ${BOOT_DISK} loader.conf ::/loader/
  mcopy -i ${BOOT_DISK} guest.conf ::/loader/entries/
  mcopy -i ${BOOT_DISK} ${BOOT_FILES.bzImage} ${BOOT_FILES.initrd} syslinux.cfg ::/
  syslinux --install ${BOOT_DISK}
`;
