import { copyFileSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runUnpacked } from "./rig/programs.ts";
import type { GuestRig } from "./rig/rig.ts";

const SIZE_BYTES = 48 * 2 ** 20;
const QEMU_IMG = "usr/bin/qemu-img";

/** The files that a guest's definition names. */
export type Disks = {
  readonly raw: string;
  readonly cow: string;
  readonly boot: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly code: string;
  readonly nvram: string;
};

/** The same disks in another folder: those that the guest writes. */
export function disksIn(disks: Disks, folder: string): Disks {
  const there = (file: string) => path.join(folder, path.basename(file));
  return { ...disks, raw: there(disks.raw), cow: there(disks.cow) };
}

/** Moves the disks that the guest writes. @returns `to` */
export function moveDisks(from: Disks, to: Disks): Disks {
  renameSync(from.raw, to.raw);
  renameSync(from.cow, to.cow);
  return to;
}

/** Makes a guest's disks in a folder: both have an ext4, one lies in a qcow2. */
export async function makeDisks(rig: GuestRig, folder: string): Promise<Disks> {
  mkdirSync(folder, { recursive: true });
  const disks = {
    raw: path.join(folder, "raw.img"),
    cow: path.join(folder, "cow.qcow2"),
    boot: path.join(folder, "boot.img"),
    kernel: path.join(folder, "vmlinux"),
    initrd: path.join(folder, "initrd.img"),
    code: path.join(folder, "code.fd"),
    nvram: path.join(folder, "nvram.fd"),
  };
  await makeExt4(rig, disks.raw, "raw");
  const plain = path.join(folder, "cow.raw");
  await makeExt4(rig, plain, "cow");
  const convert = ["convert", "-f", "raw", "-O", "qcow2", plain, disks.cow];
  await runUnpacked(rig.packages, QEMU_IMG, convert);
  rmSync(plain);
  // Where the packages lie, hosts may not let a guest read.
  copyFileSync(rig.bootDisk, disks.boot);
  copyFileSync(rig.kernel, disks.kernel);
  copyFileSync(rig.initrd, disks.initrd);
  copyFileSync(rig.firmware.code, disks.code);
  copyFileSync(rig.firmware.vars, disks.nvram);
  return disks;
}

/** What is wrong with the disks of a guest that has powered off; empty: nothing. */
export async function checkDisks(rig: GuestRig, disks: Disks): Promise<string[]> {
  const plain = `${disks.cow}.checked`;
  const checks: [string, string, string[]][] = [
    ["raw.img", "usr/sbin/e2fsck", ["-f", "-n", disks.raw]],
    ["cow.qcow2", QEMU_IMG, ["check", disks.cow]],
    ["cow.qcow2", QEMU_IMG, ["convert", "-f", "qcow2", "-O", "raw", disks.cow, plain]],
    ["the file system in cow.qcow2", "usr/sbin/e2fsck", ["-f", "-n", plain]],
  ];
  const problems: string[] = [];
  for (const [what, program, args] of checks) {
    await runUnpacked(rig.packages, program, args).catch((error: Error) => {
      problems.push(`${what}: ${error.message}`);
    });
  }
  rmSync(plain, { force: true });
  return problems;
}

async function makeExt4(rig: GuestRig, file: string, label: string): Promise<void> {
  writeFileSync(file, "");
  truncateSync(file, SIZE_BYTES);
  await runUnpacked(rig.packages, "usr/sbin/mke2fs", ["-q", "-t", "ext4", "-L", label, file]);
}
