import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { deviceIds } from "./device-ids.ts";

let sys = "";

beforeEach(() => {
  sys = testFolder();
});

/** A block device in a tree as sysfs has it; `folder` is below `devices/`. */
function device(numbers: string, folder: string, attributes: Record<string, string>): void {
  for (const [name, value] of Object.entries(attributes)) {
    const path = join(sys, "devices", folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${value}\n`);
  }
  mkdirSync(join(sys, "dev/block"), { recursive: true });
  symlinkSync(join(sys, "devices", folder), join(sys, "dev/block", numbers));
}

function mapping(numbers: string, name: string, uuid: string, below: string[]): void {
  device(numbers, name, { "dm/uuid": uuid });
  mkdirSync(join(sys, "devices", name, "slaves"));
  for (const folder of below) {
    const link = join(sys, "devices", name, "slaves", folder);
    symlinkSync(join(sys, "devices", folder), link);
  }
}

describe("ids of a block device", () => {
  it("are its WWID", async () => {
    device("8:0", "sda", { "device/wwid": "naa.600508b1001c9d" });
    device("259:0", "nvme0n1", { wwid: "eui.0025388b91b07f" });
    expect(await deviceIds("8:0", sys)).toEqual(["naa.600508b1001c9d"]);
    expect(await deviceIds("259:0", sys)).toEqual(["eui.0025388b91b07f"]);
  });

  it.each([
    ["a serial that is not unique", { "device/wwid": "t10.ATA     QEMU HARDDISK   QM00001" }],
    ["no id", { size: "2048" }],
    ["an empty id", { wwid: "" }],
  ])("are none with %s", async (_, attributes) => {
    device("8:0", "sda", attributes);
    expect(await deviceIds("8:0", sys)).toEqual([]);
  });

  it("are none for a device that is not there", async () => {
    expect(await deviceIds("8:16", sys)).toEqual([]);
  });

  it("are those of the disk with the place, for a partition", async () => {
    device("8:0", "sda", { "device/wwid": "naa.1" });
    device("8:1", "sda/sda1", { partition: "1", start: "2048" });
    expect(await deviceIds("8:1", sys)).toEqual(["naa.1 partition 1 at 2048"]);
  });

  it("are the mapping's and each disk's, for a logical volume on two paths to one disk", async () => {
    device("8:0", "sda", { "device/wwid": "naa.1" });
    device("8:16", "sdb", { "device/wwid": "naa.1" });
    mapping("253:0", "dm-0", "mpath-3600", ["sda", "sdb"]);
    mapping("253:1", "dm-1", "LVM-abc", ["dm-0"]);
    expect(await deviceIds("253:1", sys)).toEqual(["LVM-abc", "mpath-3600", "naa.1"]);
  });

  it("are none for a mapping of which one disk has none", async () => {
    device("8:0", "sda", { "device/wwid": "naa.1" });
    device("8:16", "sdb", { size: "2048" });
    mapping("253:1", "dm-1", "LVM-abc", ["sda", "sdb"]);
    expect(await deviceIds("253:1", sys)).toEqual([]);
  });

  it("are cluster, pool, image and snapshot of a RADOS device", async () => {
    const image = { cluster_fsid: "f0", pool_id: "3", image_id: "10ab", current_snap: "-" };
    const attributes = Object.entries(image).map(([name, value]) => [`device/${name}`, value]);
    device("252:0", "rbd0", Object.fromEntries(attributes));
    expect(await deviceIds("252:0", sys)).toEqual(["rbd f0/3/10ab/-"]);
  });
});
