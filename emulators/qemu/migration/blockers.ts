import { atLeast } from "../catalog/version.ts";
import type { Device } from "../device.ts";
import type { Qemu } from "../qemu.ts";
import { listVfioBlockers } from "../vfio.ts";

/** Reasons why this guest cannot be migrated now, in the words of `blocked-reasons`. */
export function listBlockers(qemu: Qemu): string[] {
  return [
    ...listFixedDevices(qemu).map((path) => `non-migratable device: ${path}`),
    ...listVfioBlockers(qemu.vfio, atLeast(qemu.version, "11.0")),
  ];
}

/** The error text with which `migrate` is refused now. */
export function findRefusal(qemu: Qemu): string | undefined {
  const [path] = listFixedDevices(qemu);
  if (path !== undefined) return `State blocked by non-migratable device '${path}'`;
  return listBlockers(qemu)[0];
}

/** Devices that cannot be migrated, as QEMU names them: by place and driver. */
function listFixedDevices(qemu: Qemu): string[] {
  return qemu.devices
    .filter((device) => isFixed(qemu, device))
    .map((device) => {
      const place = device.driver.startsWith("usb-")
        ? `${usbPlace(qemu)}/1`
        : pciPlace(qemu, device);
      return `${place}/${device.driver}`;
    });
}

function isFixed(qemu: Qemu, { driver }: Device): boolean {
  // nvme can be migrated since 11.1.
  if (driver === "nvme") return !atLeast(qemu.version, "11.1");
  return ["usb-net", "usb-host", "usb-mtp", "vhost-user-fs-pci"].includes(driver);
}

/** All of them are on the first controller. */
function usbPlace(qemu: Qemu): string {
  const controller = qemu.devices.find(({ driver }) => /hci/.test(driver));
  return controller ? pciPlace(qemu, controller) : "0000:00:01.2";
}

/** PCI devices get the slots behind those of the board, in order. */
function pciPlace(qemu: Qemu, device: Device): string {
  const { addr } = device.properties;
  const first = qemu.machineType.name.startsWith("pc-q35") ? 1 : 2;
  const others = qemu.devices.filter(({ driver }) => !driver.startsWith("usb-"));
  const slot =
    typeof addr === "string" ? Number.parseInt(addr, 16) : first + others.indexOf(device);
  return `0000:00:${slot.toString(16).padStart(2, "0")}.0`;
}
