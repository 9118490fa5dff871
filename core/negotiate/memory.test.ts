import { describe, expect, it } from "vitest";
import type { HostMemory } from "../protocol/host-memory.ts";
import { agree, type Case, refuse } from "./testing/negotiating.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const PAGE_BYTES = 2 * MIB;

const plenty: HostMemory = {
  availableBytes: 64 * GIB,
  hugepages: [
    { pageBytes: PAGE_BYTES, freeBytes: 4 * GIB },
    { pageBytes: PAGE_BYTES, freeBytes: 3 * GIB, node: 0 },
    { pageBytes: PAGE_BYTES, freeBytes: GIB, node: 1 },
  ],
  nodes: [
    { node: 0, freeBytes: 3 * GIB },
    { node: 1, freeBytes: GIB },
  ],
  backendPageBytes: {},
};

const backend = (id: string, size: number | string, more: object = {}) => ({
  "qom-type": "memory-backend-memfd",
  id,
  size,
  ...more,
});
const bound = (id: string, size: number, node: number) =>
  backend(id, size, { policy: "bind", "host-nodes": [node] });

function caseOf(memory: Partial<HostMemory>, objects: Record<string, unknown>[] = []): Case {
  const sum = objects.reduce((total, { size }) => total + (Number(size) || 2 * GIB), 0);
  const memoryBytes = objects.length === 0 ? 2 * GIB : sum;
  return {
    source: { memoryBytes },
    target: { memoryFreeBytes: 64 * GIB, memory: { ...plenty, ...memory } },
    definition: { memoryBytes, objects },
  };
}

/** Its backends are made of hugepages. */
function inPages(objects: Record<string, unknown>[], memory: Partial<HostMemory> = {}): Case {
  const sizes = objects.map(({ id }) => [String(id), PAGE_BYTES]);
  return caseOf({ ...memory, backendPageBytes: Object.fromEntries(sizes) }, objects);
}

describe("the memory of the target's host as it is", () => {
  it.each<[string, Case]>([
    ["plenty", caseOf({})],
    ["unread by an older agent", { ...caseOf({}), target: { memoryFreeBytes: 64 * GIB } }],
    ["room for the guest and QEMU itself", caseOf({ availableBytes: 2 * GIB + 68 * MIB })],
    [
      "hugepages for all of it, and little else",
      inPages([backend("m", 4 * GIB)], {
        availableBytes: 80 * MIB,
      }),
    ],
    ["hugepages of a size as text", inPages([backend("m", "2G")])],
    ["nodes with room", inPages([bound("a", 3 * GIB, 0), bound("b", GIB, 1)])],
    ["a limit of locked memory without a device that locks", caseOf({ lockableBytes: 0 })],
    [
      "a control group with room",
      caseOf({
        cgroup: { path: "/vms", limitBytes: 8 * GIB, freeBytes: 3 * GIB },
      }),
    ],
  ])("suffices: %s", (_, wanted) => {
    expect(agree(wanted)).toHaveProperty("machineType");
  });

  it.each<[string, Case, string, string]>([
    [
      "less than the guest and QEMU itself",
      caseOf({ availableBytes: 2 * GIB + 67 * MIB }),
      "host-memory-short",
      `got 2.1 GiB (${2 * GIB + 67 * MIB} bytes) of MemAvailable`,
    ],
    [
      "a narrow control group",
      caseOf({ cgroup: { path: "/vms", limitBytes: 8 * GIB, freeBytes: GIB } }),
      "cgroup-memory-short",
      `control group /vms, got 1.0 GiB (${GIB} bytes) of 8.0 GiB (${8 * GIB} bytes)`,
    ],
    [
      "fewer hugepages",
      inPages([backend("a", 3 * GIB), backend("b", 2 * GIB)]),
      "hugepages-short",
      `Expected 5.0 GiB (${5 * GIB} bytes) in free hugepages of ${PAGE_BYTES} bytes on the target`,
    ],
    [
      "hugepages on another node",
      inPages([bound("a", 2 * GIB, 1)]),
      "hugepages-short",
      `of node 1 on the target, got 1.0 GiB (${GIB} bytes)`,
    ],
    ["no such node", caseOf({}, [bound("a", GIB, 7)]), "numa-node-missing", "node 7"],
    [
      "a node without room",
      caseOf({}, [bound("a", GIB, 1), bound("b", GIB, 1)]),
      "numa-node-short",
      `Expected 2.0 GiB (${2 * GIB} bytes) to be free on node 1`,
    ],
  ])("refuses: %s", (_, wanted, code, message) => {
    expect(refuse(wanted)).toEqual([
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    ]);
  });

  it("refuses a VFIO device where too little may be locked, with the cure", () => {
    const vfioDevices = [{ id: "nic", type: "vfio-pci", properties: {} }];
    const wanted = caseOf({ lockableBytes: 8 * MIB });
    const found = refuse({ ...wanted, source: { ...wanted.source, vfioDevices } });
    const cure = expect.stringContaining("LimitMEMLOCK=infinity");
    expect(found).toContainEqual(expect.objectContaining({ code: "locked-memory-short", cure }));
  });
});
