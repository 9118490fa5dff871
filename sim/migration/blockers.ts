import { atLeast } from "../catalog/version.ts";
import type { Qemu } from "../qemu.ts";
import { isVfio, listVfioBlockers } from "../vfio.ts";

/** Why this guest cannot be migrated now, in the words of `blocked-reasons`. */
export function listBlockers(qemu: Qemu): string[] {
  // nvme can be migrated from 11.1 on.
  const nvme = qemu.devices.filter(
    ({ driver }) => driver === "nvme" && !atLeast(qemu.version, "11.1"),
  );
  const fixed = qemu.devices.filter((device) => isFixed(device.driver) && !isVfio(device));
  return [
    ...[...nvme, ...fixed].map(
      ({ driver, id }) => `non-migratable device: ${id ?? "0000:00:01.0"}/${driver}`,
    ),
    ...listVfioBlockers(qemu.vfio, atLeast(qemu.version, "11.0")),
  ];
}

function isFixed(driver: string): boolean {
  return ["ivshmem-plain", "vhost-user-fs-pci", "usb-host"].includes(driver);
}
