import { describe, expect, it } from "vitest";
import { type HostResource, mapPlaceholders, resourcesOf } from "./host-resources.ts";
import { VmDefinition } from "./vm.ts";

const device = { driver: "vfio-pci", id: "vf0", sysfsdev: { $host: "gpu0" } };
const blockdev = {
  driver: "raw",
  "node-name": "disk",
  file: { driver: "host_device", filename: { $host: "lun7" } },
};
const input = { memoryBytes: 2 ** 20, devices: [device, { ...device, id: "vf1" }] };

describe("host resources", () => {
  it("are found at any depth, each once", () => {
    const definition = VmDefinition.parse({ ...input, blockdevs: [blockdev] });
    expect(resourcesOf(definition)).toEqual([{ $host: "lun7" }, { $host: "gpu0" }]);
  });

  it("are found outside of devices", () => {
    const kernel = { path: { $host: "boot", type: "folder", file: "vmlinuz" } };
    const chardev = { id: "c0", backend: "socket", path: { $host: "console" } };
    const definition = VmDefinition.parse({ ...input, devices: [], kernel, chardevs: [chardev] });
    expect(resourcesOf(definition)).toEqual([kernel.path, chardev.path]);
  });

  it("are replaced in a copy", () => {
    const replace = {
      host: ({ $host }: HostResource) => `/dev/${$host}`,
      guest: (file: string) => `/run/${file}`,
    };
    const qga = { path: { $guest: "qga.sock" } };
    expect(mapPlaceholders(qga, replace)).toEqual({ path: "/run/qga.sock" });
    expect(mapPlaceholders(blockdev, replace)).toEqual({
      ...blockdev,
      file: { driver: "host_device", filename: "/dev/lun7" },
    });
    expect(blockdev.file.filename).toEqual({ $host: "lun7" });
  });

  it.each([5, "", "../x", { a: 1 }])("are refused when $host is %j", (name) => {
    const bad = { ...device, sysfsdev: { $host: name } };
    const parsed = VmDefinition.safeParse({ ...input, devices: [bad] });
    expect(parsed.error?.issues[0]?.path).toEqual(["devices", 0]);
    expect(parsed.error?.issues[0]?.message).toMatch(/\$host/);
  });

  it.each([
    [{ $host: "images", file: "../shadow" }, false],
    [{ $host: "images", file: "/etc/shadow" }, false],
    [{ $host: "images", file: "a/.ssh/key" }, false],
    [{ $host: "images", file: "vm1/disk.qcow2" }, true],
    [{ $host: "images", type: "disk" }, false],
    [{ $guest: "qga.sock" }, true],
    [{ $guest: "qmp.sock" }, false],
    [{ $guest: "../qmp2.sock" }, false],
    [{ $guest: "guest.json" }, false],
  ])("%j: accepted is %s", (filename, accepted) => {
    const disk = { driver: "file", "node-name": "disk", filename };
    expect(VmDefinition.safeParse({ ...input, blockdevs: [disk] }).success).toBe(accepted);
  });

  it("are refused with anything beside $host", () => {
    const bad = { ...device, sysfsdev: { $host: "gpu0", more: 1 } };
    expect(VmDefinition.safeParse({ ...input, devices: [bad] }).success).toBe(false);
  });
});
