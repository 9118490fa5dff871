import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { withAddresses } from "../../core/definition/live-change.ts";
import type { DefinitionParts } from "../../core/definition/parts.ts";
import { changeMedium, plugDevice, unplugDevice } from "../../core/definition/parts-change.ts";
import { VmDefinition } from "../../core/vm.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { TestHost } from "../agent/testing/host.ts";

const MIB = 2 ** 20;
/** Each proof starts a QEMU, beside whatever else the machine does. */
vi.setConfig({ testTimeout: 90_000 });
const qemu = findQemu();

describe.skipIf(qemu === undefined)("a guest that runs, and its definition", () => {
  let host: TestHost;
  let folder: string;
  let definition: VmDefinition;

  const file = (name: string) => ({
    driver: "raw",
    "node-name": name,
    "read-only": true,
    file: { driver: "file", filename: join(folder, name), "read-only": true },
  });
  const qmp = () => host.guests.get(host.vm("vm1")).qmp;
  /** As the control plane does it. */
  const change = async (make: (before: DefinitionParts) => DefinitionParts, force = false) => {
    const after = VmDefinition.parse(make(definition));
    const args = { definition: after, force };
    const { addresses, comparison } = await host.run("guest.change", "vm1", args);
    expect(comparison.differences).toEqual([]);
    definition = VmDefinition.parse(withAddresses(after, addresses));
    expect(host.guests.get(host.vm("vm1")).manifest.definition).toEqual(definition);
  };
  const inserted = async () => {
    const drives = await qmp().execute("query-block");
    return drives.find(({ qdev }) => qdev === "cd0")?.inserted?.["node-name"];
  };

  const nodes = async () => {
    const found = await qmp().execute("query-named-block-nodes", { flat: true });
    return found.map((node) => node["node-name"]);
  };

  beforeEach(async () => {
    host = new TestHost("host", { qemu });
    folder = ownedFolder();
    for (const name of ["cd-1", "cd-2", "disk-1"]) {
      writeFileSync(join(folder, name), Buffer.alloc(MIB));
    }
    const given = VmDefinition.parse({
      machine: "pc",
      memoryBytes: 64 * MIB,
      blockdevs: [file("cd-1")],
      objects: [{ "qom-type": "rng-builtin", id: "r" }],
      devices: [
        { driver: "ide-cd", id: "cd0", drive: "cd-1" },
        { driver: "virtio-rng-pci", id: "rng0", rng: "r" },
        { driver: "virtio-scsi-pci", id: "scsi0" },
      ],
    });
    ({ definition } = await host.run("guest.start", "vm1", { definition: given }));
  });
  afterEach(async () => {
    await host.close();
    removeFolder(folder);
  });

  it("get another medium, none, and one again", async () => {
    // The firmware looks for a medium to boot from, and commands the drive meanwhile.
    await qmp().execute("stop");
    await change((before) => changeMedium(before, "cd0", file("cd-2")));
    expect(await inserted()).toBe("cd-2");
    await change((before) => changeMedium(before, "cd0", undefined));
    expect(await inserted()).toBeUndefined();
    expect(definition.blockdevs).toEqual([]);
    await change((before) => changeMedium(before, "cd0", file("cd-1")));
    expect(await inserted()).toBe("cd-1");
    // Repeated, it changes nothing.
    await host.run("guest.change", "vm1", { definition });
    expect(await inserted()).toBe("cd-1");
  });

  it("get a disk, and lose it with its file", async () => {
    const device = { driver: "scsi-hd", id: "disk1", bus: "scsi0.0", drive: "disk-1" };
    await change((before) => plugDevice(before, { device, blockdevs: [file("disk-1")] }));
    expect(await nodes()).toContain("disk-1");
    // Repeated by a control plane that has not heard the answer.
    const again = plugDevice(unplugDevice(definition, "disk1"), {
      device,
      blockdevs: [file("disk-1")],
    });
    await host.run("guest.change", "vm1", { definition: VmDefinition.parse(again) });
    await change((before) => unplugDevice(before, "disk1"));
    expect(await nodes()).not.toContain("disk-1");
    expect(definition.blockdevs).toEqual([file("cd-1")]);
  });

  it("get a disk and a network, at the addresses that QEMU has chosen", async () => {
    const disk = { driver: "virtio-blk-pci", id: "disk1", drive: "disk-1" };
    await change((before) => plugDevice(before, { device: disk, blockdevs: [file("disk-1")] }));
    const nic = { driver: "e1000", id: "nic1", netdev: "net1" };
    const netdevs = [{ type: "user", id: "net1" }];
    await change((before) => plugDevice(before, { device: nic, netdevs }));
    expect(definition.devices.map(({ id, addr }) => [id, addr])).toEqual([
      ["cd0", undefined],
      ["rng0", "02.0"],
      ["scsi0", "03.0"],
      ["disk1", "04.0"],
      ["nic1", "05.0"],
    ]);
  });

  it("are both left as they were when QEMU refuses a device, or a medium cannot be opened", async () => {
    const before = definition;
    const device = {
      driver: "virtio-blk-pci",
      id: "disk1",
      drive: "disk-1",
      logical_block_size: 3,
    };
    const wrong = plugDevice(before, { device, blockdevs: [file("disk-1")] });
    await expect(host.run("guest.change", "vm1", { definition: wrong })).rejects.toThrow(
      /QEMU refused device_add/,
    );
    const gone = changeMedium(before, "cd0", file("no-such-file"));
    await expect(host.run("guest.change", "vm1", { definition: gone })).rejects.toThrow(
      /QEMU refused blockdev-add: Could not open .*no-such-file/,
    );
    expect(await inserted()).toBe("cd-1");
    expect(await nodes()).not.toContain("disk-1");
    expect(host.guests.get(host.vm("vm1")).manifest.definition).toEqual(before);
  });

  it("keep a device that the guest does not release, as its firmware has no driver", async () => {
    const args = { definition: VmDefinition.parse(unplugDevice(definition, "rng0")) };
    await expect(host.run("guest.change", "vm1", args)).rejects.toThrow(
      "The guest vm1 has not released device rng0 within 8000 ms",
    );
    await expect(
      host.run("guest.change", "vm1", {
        definition: VmDefinition.parse(changeMedium(definition, "rng0", file("cd-2"))),
      }),
    ).rejects.toThrow("Expected rng0 of vm1 to be a drive with a medium, it is no drive");
  });
});
