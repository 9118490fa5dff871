import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * The class of a passed-through device, from sysfs; load times are learned per class. For a mediated
 * device it is the type (`mdev mtty-1`), for a PCI function vendor and device (`pci 15b3:101e`).
 */
export function deviceClass(device: { sysfsdev?: string; host?: string }): string | undefined {
  const path = device.sysfsdev ?? (device.host && `/sys/bus/pci/devices/${device.host}`);
  if (!path) return undefined;
  try {
    const mdevType = join(path, "mdev_type");
    if (existsSync(mdevType)) return `mdev ${basename(realpathSync(mdevType))}`;
    const id = (name: string) => readFileSync(join(path, name), "utf8").trim().replace(/^0x/, "");
    return `pci ${id("vendor")}:${id("device")}`;
  } catch {
    return undefined;
  }
}
