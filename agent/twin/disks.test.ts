import { describe, expect, it } from "vitest";
import { emptyParts } from "../../core/twin/reading.ts";
import { VmDefinition } from "../../core/vm.ts";
import type { BlockNode } from "../../qmp/device.ts";
import { Disks, NO_MEDIUM } from "./disks.ts";
import { hideHostValues, hostValues } from "./host-values.ts";

const node = (
  name: string,
  drv: string,
  file: string,
  more: Partial<BlockNode> = {},
): BlockNode => ({
  "node-name": name,
  drv,
  file,
  ro: false,
  image: { "virtual-size": 1024 },
  ...more,
});
const child = (name: string, of: string) => ({ child: name, "node-name": of });

const nodes = [
  node("over", "qcow2", "/a/over", { children: [child("file", "#1"), child("backing", "base")] }),
  node("#1", "file", "/a/over"),
  node("base", "raw", "/a/base", { children: [child("file", "#2")] }),
  node("#2", "file", "/a/base"),
  node("cut", "raw", 'json:{"offset": 512}', { children: [child("file", "#3")] }),
  node("#3", "file", "/a/cut"),
  node("near", "file", "disk.img"),
];

describe("Disks", () => {
  const disks = new Disks({ devices: [], nodes, folder: "/vm" });

  it.each([
    ["a chain", "over", "qcow2(backing: file /a/base, file: file /a/over)"],
    ["a raw layer that changes nothing", "base", "file /a/base"],
    ["a raw layer that cuts", "cut", "raw(file: file /a/cut)"],
    ["a relative name", "near", "file /vm/disk.img"],
    ["no medium", "", NO_MEDIUM],
    ["what nothing is known of", "other", NO_MEDIUM],
  ])("describes %s", (_, drive, chain) => {
    expect(disks.of(drive).chain).toBe(chain);
  });

  it("has the size and whether it can be written", () => {
    expect(disks.of("near")).toMatchObject({ "read-only": "false", "size in bytes": "1024" });
  });

  it("finds the node of a -drive by its id", () => {
    const devices = [{ device: "virtio0", inserted: { "node-name": "over" } }];
    expect(new Disks({ devices, nodes }).of("virtio0").chain).toMatch(/^qcow2/);
  });

  it("takes the children from the graph where nodes do not name them", () => {
    const bare = nodes.map(({ children: _, ...rest }) => rest);
    const ids = new Map(bare.map(({ "node-name": name = "" }, at) => [name, at + 1]));
    const edge = (parent: string, name: string, to: string) => ({
      name,
      parent: ids.get(parent) ?? 0,
      child: ids.get(to) ?? 0,
    });
    const graph = {
      nodes: [...ids].map(([name, id]) => ({ id, name, type: "block-driver" })),
      edges: [
        edge("over", "file", "#1"),
        edge("over", "backing", "base"),
        edge("base", "file", "#2"),
      ],
    };
    const same = new Disks({ devices: [], nodes: bare, graph });
    expect(same.of("over").chain).toBe(disks.of("over").chain);
  });

  it("ends a chain that has no end", () => {
    const loop = [node("a", "raw", "x", { children: [child("file", "a")] })];
    expect(new Disks({ devices: [], nodes: loop }).of("a").chain).toContain("?");
  });
});

describe("values of a host", () => {
  const definition = VmDefinition.parse({
    memoryBytes: 1 << 20,
    devices: [{ driver: "vfio-pci", host: { $host: "gpu0" } }],
    blockdevs: [{ driver: "host_device", "node-name": "n", filename: { $host: "lun7" } }],
  });
  const values = hostValues(definition, { gpu0: "0000:01:00.0", lun7: "/dev/sdb", other: "x" });

  it("are those that the definition names", () => {
    expect([...values.values()]).toEqual(['{"$host":"lun7"}', '{"$host":"gpu0"}']);
  });

  it("are hidden where they are whole, so that both hosts read the same", () => {
    const parts = {
      ...emptyParts(),
      device: { a: { host: "0000:01:00.0", name: "0000:01:00.01" } },
      disk: { a: { chain: "raw(file: host_device /dev/sdb, x: file /dev/sdb1)" } },
    };
    expect(hideHostValues(parts, values)).toMatchObject({
      device: { a: { host: '{"$host":"gpu0"}', name: "0000:01:00.01" } },
      disk: { a: { chain: 'raw(file: host_device {"$host":"lun7"}, x: file /dev/sdb1)' } },
    });
  });
});
