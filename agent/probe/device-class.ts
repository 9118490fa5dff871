import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * What kind of device a passed-through one is, from sysfs: what load times are learned by. A
 * mediated device by its type (`mdev mtty-1`), a PCI function by vendor and device (`pci 15b3:101e`).
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
