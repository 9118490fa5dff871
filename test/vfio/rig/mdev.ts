import type { L1 } from "../../machine/l1.ts";
import { MTTY_MODULES } from "./kernel-module.ts";

const DEADLINE_MS = 10_000;
const PARENT = "/sys/devices/virtual/mtty/mtty/mdev_supported_types";
const DEVICES = "/sys/bus/mdev/devices";

/** See mtty-knobs.ts. All 0 by default; a change affects migrations that start after it. */
export type MttyKnobs = {
  initKib?: number;
  finalKib?: number;
  loadInitMs?: number;
  loadFinalMs?: number;
};

/** Loads the module that creates mtty devices, instead of any loaded before. */
export async function loadMtty(l1: L1, variant: keyof typeof MTTY_MODULES): Promise<void> {
  const script = `if [ -d /sys/module/mtty ]; then rmmod mtty; fi; insmod /modules/${MTTY_MODULES[variant]}`;
  await shell(l1, script);
}

/** Sets all four knobs, those not named to 0. Needs the module's variant `knobs`. */
export async function setMttyKnobs(l1: L1, knobs: MttyKnobs): Promise<void> {
  const values: Record<string, number> = {
    init_kb: knobs.initKib ?? 0,
    final_kb: knobs.finalKib ?? 0,
    load_init_ms: knobs.loadInitMs ?? 0,
    load_final_ms: knobs.loadFinalMs ?? 0,
  };
  for (const [name, value] of Object.entries(values)) {
    await l1.writeFile(`/sys/module/mtty/parameters/${name}`, `${value}`);
  }
}

/**
 * Creates a device with two ports anew and returns the path that `vfio-pci,sysfsdev=` takes. Every
 * guest and every target needs new devices: one keeps the migration state (RESUMING, STOP) in which
 * its last user left it, and the next user cannot start from there.
 */
export async function createMttyDevice(l1: L1, uuid: string): Promise<string> {
  await removeMttyDevice(l1, uuid);
  await l1.writeFile(`${PARENT}/mtty-2/create`, uuid);
  return mttyDevicePath(uuid);
}

/** Removes a device if there is one; waits for a user that is still closing it. */
export async function removeMttyDevice(l1: L1, uuid: string): Promise<void> {
  const remove = `${mttyDevicePath(uuid)}/remove`;
  await shell(l1, `if [ -e ${remove} ]; then echo 1 >${remove}; fi`);
}

/**
 * A program for L1 that creates the devices anew, whether they exist or not, as createMttyDevice
 * does. It waits for a user that is still closing one.
 */
export function renewalScript(uuids: readonly string[]): string {
  return `#!/bin/sh
set -e
for uuid in ${uuids.join(" ")}; do
  remove=${DEVICES}/$uuid/remove
  if [ -e $remove ]; then echo 1 >$remove; fi
  echo $uuid >${PARENT}/mtty-2/create
done
`;
}

/**
 * The option that assigns the device to a QEMU. No IOMMUFD in this kernel: no dirty log of its own.
 */
export function vfioDeviceOption(uuid: string): string {
  return [
    "vfio-pci",
    `id=vfio-${uuid}`,
    `sysfsdev=${mttyDevicePath(uuid)}`,
    "enable-migration=on",
    "x-device-dirty-page-tracking=off",
  ].join(",");
}

function mttyDevicePath(uuid: string): string {
  return `${DEVICES}/${uuid}`;
}

async function shell(l1: L1, script: string): Promise<void> {
  const { exitCode, stderr } = await l1.run(["sh", "-c", script], { deadlineMs: DEADLINE_MS });
  if (exitCode !== 0) throw new Error(`Failed to run "${script}" in L1 (${exitCode}): ${stderr}`);
}
