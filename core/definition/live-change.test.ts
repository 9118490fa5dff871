import { describe, expect, it } from "vitest";
import { liveChange, withAddresses } from "./live-change.ts";
import { DefinitionParts } from "./parts.ts";
import { changeMedium, plugDevice, unplugDevice } from "./parts-change.ts";

const file = (name: string) => ({
  driver: "raw",
  "node-name": name,
  file: { driver: "file", filename: `/srv/${name}` },
});
const before = DefinitionParts.parse({
  memoryBytes: 64 * 2 ** 20,
  objects: [
    { "qom-type": "rng-builtin", id: "rng" },
    { "qom-type": "iothread", id: "spare" },
  ],
  netdevs: [{ type: "user", id: "net0" }],
  blockdevs: [
    { driver: "file", "node-name": "layer", filename: "/srv/layer" },
    { driver: "qcow2", "node-name": "disk", file: "layer" },
    file("cd-1"),
  ],
  devices: [
    { driver: "virtio-blk-pci", id: "disk0", drive: "disk" },
    { driver: "ide-cd", id: "cd0", drive: "cd-1" },
    { driver: "virtio-net-pci", id: "nic0", netdev: "net0" },
    { driver: "virtio-rng-pci", id: "rng0", rng: "rng" },
    { driver: "virtio-balloon-pci" },
  ],
});
const none = { blockdevs: [], netdevs: [], objects: [] };
const nothing = {
  unplugged: [],
  media: [],
  removed: none,
  added: { ...none, devices: [] },
};

describe("a guest that runs becomes as another definition says", () => {
  it("when a device comes with its parts", () => {
    const after = plugDevice(before, {
      device: { driver: "e1000", id: "nic1", netdev: "net1" },
      netdevs: [{ type: "user", id: "net1" }],
    });
    const added = { ...none, netdevs: [1], devices: [5] };
    expect(liveChange(before, after)).toEqual({ ...nothing, added });
  });

  it.each([
    ["disk0", { ...none, blockdevs: ["disk", "layer"] }],
    ["nic0", { ...none, netdevs: ["net0"] }],
    ["rng0", { ...none, objects: ["rng"] }],
  ])("when %s goes, with the parts that only it used, users first", (id, removed) => {
    const after = unplugDevice(before, id);
    expect(liveChange(before, after)).toEqual({ ...nothing, unplugged: [id], removed });
    expect(after.objects.map((one) => one.id)).toContain("spare");
  });

  it("when a drive gets another medium, or none", () => {
    const other = liveChange(before, changeMedium(before, "cd0", file("cd-2")));
    expect(other).toEqual({
      ...nothing,
      media: [{ device: "cd0", node: "cd-2", old: "cd-1" }],
      removed: { ...none, blockdevs: ["cd-1"] },
      added: { ...none, blockdevs: [2], devices: [] },
    });
    const empty = changeMedium(before, "cd0", undefined);
    expect(liveChange(before, empty)).toEqual({
      ...nothing,
      media: [{ device: "cd0", old: "cd-1" }],
      removed: { ...none, blockdevs: ["cd-1"] },
    });
    expect(liveChange(empty, before)).toMatchObject({ media: [{ device: "cd0", node: "cd-1" }] });
  });

  it("not for a device that only says now where it is", () => {
    const placed = withAddresses(before, { nic0: { bus: "pci.0", addr: "04.0" } });
    expect(placed.devices[2]).toMatchObject({ id: "nic0", addr: "04.0" });
    expect(liveChange(before, placed)).toEqual(nothing);
    expect(liveChange(placed, before)).toEqual(nothing);
    expect(withAddresses(placed, { nic0: { bus: "pci.0", addr: "07.0" } })).toEqual(placed);
  });
});

const [first, ...rest] = before.devices;

it.each([
  ["another field", { ...before, cpus: 2 }, "Expected cpus to stay as it is"],
  [
    "another property of a device",
    { ...before, devices: [{ ...first, serial: "x" }, ...rest] },
    "Expected only the medium of device disk0 to change",
  ],
  ["a device without an id", { ...before, devices: before.devices.slice(0, -1) }, "an `id`"],
  [
    "a part under its name",
    changeMedium(before, "cd0", { ...file("cd-1"), "read-only": true }),
    "Expected cd-1 in blockdevs to stay as it is in a guest that runs: give what comes another name",
  ],
  [
    "memory",
    plugDevice(before, { device: { driver: "pc-dimm", id: "dimm0", memdev: "m" } }),
    "Expected no memory or CPU to be plugged in, got pc-dimm",
  ],
])("%s cannot change while the guest runs", (_, after, message) => {
  expect(() => liveChange(before, after)).toThrow(message);
});

it("names the devices there are when there is none of an id", () => {
  expect(() => unplugDevice(before, "nic9")).toThrow(
    "The definition has no device nic9; there are disk0, cd0, nic0, rng0",
  );
});
