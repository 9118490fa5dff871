import { describe, expect, it } from "vitest";
import type { SourceDisk, TargetDisk } from "../storage-copy/copied-disk.ts";
import { MigrationPolicy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import { agree, type Case, on, reason, refuse } from "./testing/negotiating.ts";

const GIB = 2 ** 30;
const PAUSE = "pause-before-switchover";

const here: SourceDisk = {
  node: "data",
  device: "disk0",
  drivers: ["qcow2", "file"],
  path: "/a/data.img",
  sizeBytes: GIB,
  clusterBytes: 65_536,
  isReadOnly: false,
  isEncrypted: false,
  bitmaps: [],
};
const there: TargetDisk = {
  disk: "data",
  path: "/b/data.img",
  fileSystem: "1",
  freeBytes: 10 * GIB,
};
const file = { driver: "file", filename: "/a/data.img" };
const node = { driver: "qcow2", "node-name": "data", file };

type Change = {
  here?: Partial<SourceDisk>;
  there?: Partial<TargetDisk>;
  node?: Record<string, unknown>;
  policy?: Record<string, unknown>;
  others?: { here: SourceDisk[]; there: TargetDisk[]; nodes: object[] };
};

function caseOf({ policy = {}, others, ...change }: Change): Case {
  return {
    policy: { tls: "psk", storage: { data: "copy" }, ...policy },
    source: { tls: ["psk"], disks: [{ ...here, ...change.here }, ...(others?.here ?? [])] },
    target: { tls: ["psk"], copies: [{ ...there, ...change.there }, ...(others?.there ?? [])] },
    definition: {
      blockdevs: [nodeOf(change.node), ...(others?.nodes ?? [])],
      devices: [{ driver: "virtio-blk-pci", id: "disk0", drive: "data" }],
    },
  };
}

/** A node with a driver of its own is given whole. */
function nodeOf(change: Record<string, unknown> = {}) {
  return change.driver === undefined ? { ...node, ...change } : change;
}

describe("a disk that is copied", () => {
  it("is in the agreement, with the source's image, and QEMU pauses for it", () => {
    const agreement = agree(caseOf({}));
    expect(agreement.copies).toEqual([
      {
        disk: "data",
        format: "qcow2",
        sizeBytes: GIB,
        clusterBytes: 65_536,
        sourceNode: "data",
        sourcePath: "/a/data.img",
        sourceAfter: "kept",
        targetPath: "/b/data.img",
      },
    ]);
    expect(on(agreement.source)).toContain(PAUSE);
    expect(reason(agreement, "storage data")).toMatch(
      /1.0 GiB.*\/b\/data.img.*\/a\/data.img is kept/,
    );
  });

  it("may be moved: then the source's image is removed in the end", () => {
    const agreement = agree(caseOf({ policy: { storage: { data: "move" } } }));
    expect(agreement.copies).toMatchObject([{ disk: "data", sourceAfter: "removed" }]);
    expect(reason(agreement, "storage data")).toMatch(/\/a\/data.img is removed after/);
  });

  it("is found by its device where QEMU has named the node", () => {
    expect(agree(caseOf({ here: { node: "#block123" } })).copies).toMatchObject([
      { disk: "data", sourceNode: "#block123" },
    ]);
  });

  it.each([
    ["raw", { driver: "raw", "node-name": "data", file }, ["raw", "file"]],
    ["a file without a layer", { ...file, "node-name": "data" }, ["file"]],
  ])("may be %s", (_, blockdev, drivers) => {
    const [copy] = agree(caseOf({ node: blockdev, here: { drivers } })).copies ?? [];
    expect(copy).toMatchObject({ format: "raw" });
    expect(copy).not.toHaveProperty("clusterBytes");
  });

  it("is not there unless it is asked for", () => {
    const agreement = agree({});
    expect(agreement).not.toHaveProperty("copies");
    expect(on(agreement.source)).not.toContain(PAUSE);
  });
});

describe("a disk is refused by its name, with cause and cure", () => {
  it.each<[string, Change, RegExp]>([
    [
      "no such node",
      { policy: { storage: { other: "copy" } } },
      /no block node other; it has data/,
    ],
    ["read-only", { node: { "read-only": true } }, /read-only/],
    ["a backing image in the definition", { node: { backing: file } }, /`backing`/],
    ["a part of a file", { node: { offset: 512 } }, /`offset`/],
    ["a device", { node: { file: { driver: "host_device", filename: "/dev/x" } } }, /host_device/],
    ["another format", { node: { driver: "vmdk", "node-name": "data", file } }, /vmdk/],
    [
      "a chain at the source",
      { here: { drivers: ["qcow2", "backing and file"] } },
      /backing and file/,
    ],
    ["another format at the source", { here: { drivers: ["raw", "file"] } }, /raw on file/],
    ["encrypted", { here: { isEncrypted: true } }, /encrypted/],
    ["read-only at the source", { here: { isReadOnly: true } }, /read-only/],
    ["with bitmaps", { here: { bitmaps: ["backup"] } }, /bitmaps.*backup/],
    ["that is locked", { here: { lockedBy: ["process 7 (nbd)"] } }, /locked by process 7 \(nbd\)/],
    ["not at the source", { here: { node: "x", device: "y" } }, /no disk of this name, only: x/],
    [
      "with a file there",
      { there: { problem: "the target has a file", cure: "move it" } },
      /has a file/,
    ],
    ["without a place there", { there: { path: undefined } }, /no place/],
    ["with an agent that copies none", { there: { disk: "other" } }, /cannot copy disks/],
  ])("%s", (_, change, message) => {
    const [blocker, ...more] = refuse(caseOf(change));
    expect(more).toEqual([]);
    expect(blocker).toMatchObject({ code: "disk-not-copied" });
    expect(blocker?.message).toMatch(message);
    expect(blocker?.field).toMatch(/^policy\.storage\./);
    expect(blocker?.cure).not.toBe("");
  });

  it("for the room of all images on one file system", () => {
    const others = {
      here: [{ ...here, node: "more", device: "disk1" }],
      there: [{ ...there, disk: "more", path: "/b/more.img" }],
      nodes: [{ ...node, "node-name": "more" }],
    };
    const both = { storage: { data: "copy", more: "copy" } };
    expect(agree(caseOf({ others, policy: both })).copies).toHaveLength(2);
    const room = { freeBytes: 1.5 * GIB };
    const narrow = { ...others, there: others.there.map((place) => ({ ...place, ...room })) };
    const found = refuse(caseOf({ others: narrow, policy: both, there: room }));
    expect(found).toMatchObject([{ code: "copy-needs-room" }]);
    expect(found[0]?.message).toMatch(/1.5 GiB of room for \/b\/data.img, \/b\/more.img.*2.0 GiB/);
  });
});

describe("a copy is refused", () => {
  it.each([
    [{ from: "7.2", to: "10.0" } as const, "source.qemu.version"],
    [{ from: "10.0", to: "7.2" } as const, "target.qemu.version"],
  ])("with an old QEMU: %o", (releases, field) => {
    const found = refuse({ ...caseOf({}), ...releases });
    expect(found).toContainEqual(expect.objectContaining({ code: "copy-needs-qemu", field }));
  });

  it.each([{ iothread: "io0" }, { "iothread-vq-mapping": [{ iothread: "io0" }] }])(
    "beside an I/O thread: %o",
    (property) => {
      const { definition, ...rest } = caseOf({});
      const disk = { driver: "virtio-blk-pci", id: "disk0", drive: "data", ...property };
      const objects = [{ "qom-type": "iothread", id: "io0" }];
      const found = refuse({ ...rest, definition: { ...definition, objects, devices: [disk] } });
      expect(found).toMatchObject([{ code: "copy-excludes-iothreads" }]);
    },
  );
});

describe("a policy that copies is refused by itself", () => {
  it.each([
    ["without TLS", { tls: "off" }, "copy-needs-tls"],
    ["with the certificates of many", { tls: "x509" }, "copy-needs-tls"],
    ["with a forbidden pause", { capabilities: { [PAUSE]: "forbid" } }, "copy-needs-pause"],
    ["with a postcopy ladder", { convergence: { ladder: "post-copy" } }, "copy-excludes-postcopy"],
    ["with postcopy", { capabilities: { "postcopy-ram": "ask" } }, "copy-excludes-postcopy"],
    ["with libvirt's flag for it", { flags: ["POSTCOPY"] }, "copy-excludes-postcopy"],
  ])("%s", (_, rest, code) => {
    const policy = MigrationPolicy.parse({ tls: "psk", storage: { data: "copy" }, ...rest });
    expect(checkPolicy(policy).map((blocker) => blocker.code)).toContain(code);
  });

  it("with more disks than one migration copies, or a name that no node has", () => {
    const names = Array.from({ length: 17 }, (_, index) => [`d${index}`, "copy"] as const);
    const read = (storage: object) => MigrationPolicy.safeParse({ storage }).success;
    expect(read(Object.fromEntries(names.slice(1)))).toBe(true);
    expect(read(Object.fromEntries(names))).toBe(false);
    expect(read({ "/etc/passwd": "copy" })).toBe(false);
    expect(read({ data: "share" })).toBe(false);
  });
});
