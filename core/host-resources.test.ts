import { describe, expect, it } from "vitest";
import { mapResources, resourcesOf } from "./host-resources.ts";
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
    expect(resourcesOf(definition)).toEqual(["lun7", "gpu0"]);
  });

  it("are replaced in a copy", () => {
    expect(mapResources(blockdev, (name) => `/dev/${name}`)).toEqual({
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

  it("are refused with anything beside $host", () => {
    const bad = { ...device, sysfsdev: { $host: "gpu0", more: 1 } };
    expect(VmDefinition.safeParse({ ...input, devices: [bad] }).success).toBe(false);
  });
});
