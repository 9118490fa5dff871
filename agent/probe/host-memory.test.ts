import { mkdirSync, writeFileSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { cgroupLimits } from "../runtime/cgroup-limits.ts";
import { testFolder } from "../testing/folder.ts";
import { readHostMemory, readMemoryFacts } from "./host-memory.ts";

const plain = VmDefinition.parse({ memoryBytes: 1 << 20 });

/** A folder with these files below /proc and /sys. */
function hostOf(files: Readonly<Record<string, string>>): string {
  const root = testFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return root;
}

const pool = (folder: string, kib: number, counts: Record<string, number>) =>
  Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [
      `${folder}/hugepages-${kib}kB/${name}`,
      String(count),
    ]),
  );

describe("a host's memory", () => {
  it("is read of this host", () => {
    const memory = readHostMemory(plain, {}, true);
    expect(memory.availableBytes).toBeGreaterThan(0);
    expect(memory.availableBytes).toBeLessThanOrEqual(totalmem());
    expect(memory.backendPageBytes).toEqual({});
  });

  it("has the free hugepages by size and node, less those that are promised", () => {
    const root = hostOf({
      "proc/meminfo": "MemAvailable:   1000 kB\nHugepagesize:       2048 kB",
      ...pool("sys/kernel/mm/hugepages", 2048, {
        nr_hugepages: 8,
        free_hugepages: 6,
        resv_hugepages: 1,
      }),
      ...pool("sys/kernel/mm/hugepages", 1_048_576, { nr_hugepages: 0, free_hugepages: 0 }),
      ...pool("sys/kernel/mm/hugepages", 64, { nr_overcommit_hugepages: 3, surplus_hugepages: 1 }),
      "sys/devices/system/node/node1/meminfo":
        "Node 1 MemFree:  2000 kB\nNode 1 Inactive(file):  500 kB",
      ...pool("sys/devices/system/node/node1/hugepages", 2048, {
        nr_hugepages: 4,
        free_hugepages: 3,
      }),
    });
    expect(readHostMemory(plain, {}, true, root)).toMatchObject({ nodes: [], hugepages: [] });
    const backend = { "qom-type": "memory-backend-ram", id: "m", size: 1 << 20 };
    const definition = VmDefinition.parse({ memoryBytes: 1 << 20, objects: [backend] });
    expect(readHostMemory(definition, {}, true, root)).toEqual({
      availableBytes: 1_024_000,
      nodes: [{ node: 1, freeBytes: 2_560_000 }],
      hugepages: expect.arrayContaining([
        { pageBytes: 2 << 20, freeBytes: 5 * (2 << 20) },
        { pageBytes: 64 << 10, freeBytes: 2 * (64 << 10) },
        { pageBytes: 2 << 20, freeBytes: 3 * (2 << 20), node: 1 },
      ]),
      backendPageBytes: {},
    });
  });

  it.each<[string, string, number | undefined]>([
    ["a limit", "0000000000000000", 8_388_608],
    ["no limit, by the capability", "0000000000004000", undefined],
  ])("has %s of locked memory", (_, capabilities, bytes) => {
    const root = hostOf({
      "proc/self/status": `Name:\tnode\nCapEff:\t${capabilities}`,
      "proc/self/limits": "Max locked memory         8388608              8388608   bytes",
    });
    expect(readHostMemory(plain, {}, true, root).lockableBytes).toBe(bytes);
  });

  it("has the page size of backends that are made of hugepages", () => {
    const memfd = (id: string, more: object) => ({
      "qom-type": "memory-backend-memfd",
      id,
      size: 1 << 30,
      ...more,
    });
    const file = { "qom-type": "memory-backend-file", id: "file", "mem-path": "/tmp", size: 1 };
    const definition = VmDefinition.parse({
      memoryBytes: 1 << 30,
      objects: [
        memfd("small", {}),
        memfd("usual", { hugetlb: true }),
        memfd("large", { hugetlb: true, hugetlbsize: 1 << 30 }),
        file,
      ],
    });
    const root = hostOf({ "proc/meminfo": "Hugepagesize:       2048 kB" });
    expect(readHostMemory(definition, {}, true, root).backendPageBytes).toEqual({
      usual: 2 << 20,
      large: 1 << 30,
    });
  });
});

describe("what a host's memory is made of", () => {
  it("are all hugepages, the nodes, and limits of the agent's children", () => {
    const root = hostOf({
      "proc/meminfo": "MemAvailable:   1000 kB\nHugepagesize:       2048 kB",
      "proc/self/status": "CapEff:\t0000000000000000",
      "proc/self/limits":
        "Max locked memory         8388608              8388608              bytes",
      "proc/self/cgroup": "0::/agent",
      "sys/fs/cgroup/agent/memory.max": "5000",
      "sys/fs/cgroup/agent/memory.current": "900",
      ...pool("sys/kernel/mm/hugepages", 2048, {
        nr_hugepages: 8,
        free_hugepages: 1,
        nr_overcommit_hugepages: 2,
      }),
      ...pool("sys/devices/system/node/node1/hugepages", 2048, { nr_hugepages: 4 }),
    });
    const pages = {
      hugepages: [
        { pageBytes: 2 << 20, totalBytes: 20 << 20 },
        { pageBytes: 2 << 20, totalBytes: 8 << 20, node: 1 },
      ],
      nodes: [1],
      defaultHugepageBytes: 2 << 20,
      mountPageBytes: {},
    };
    const resources = { huge: { type: "hugepages", path: root } } as const;
    expect(readMemoryFacts(resources, false, root)).toEqual(pages);
    expect(readMemoryFacts(resources, true, root)).toEqual({
      ...pages,
      cgroup: { path: "/agent", limitBytes: 5_000 },
      lockableBytes: 8_388_608,
    });
  });
});

describe("the memory limits of control groups", () => {
  it("are those of version 2 up to the root, with the cache of files given back", () => {
    const root = hostOf({
      "proc/self/cgroup": "0::/vms.slice/agent.service",
      "sys/fs/cgroup/vms.slice/agent.service/memory.max": "max",
      "sys/fs/cgroup/vms.slice/memory.max": "1000",
      "sys/fs/cgroup/vms.slice/memory.current": "900",
      "sys/fs/cgroup/vms.slice/memory.stat": "anon 100\ninactive_file 300",
    });
    const limits = [{ path: "/vms.slice", limitBytes: 1_000, freeBytes: 400 }];
    expect(cgroupLimits(root)).toEqual(limits);
    expect(readHostMemory(plain, {}, true, root).cgroup).toEqual(limits[0]);
  });

  it("are those of version 1, where the memory controller is there", () => {
    const folder = "sys/fs/cgroup/memory";
    const root = hostOf({
      "proc/self/cgroup": "4:memory:/vms\n0::/",
      [`${folder}/vms/memory.limit_in_bytes`]: "5000",
      [`${folder}/vms/memory.usage_in_bytes`]: "7000",
      [`${folder}/memory.limit_in_bytes`]: "9223372036854771712",
    });
    expect(cgroupLimits(root)).toEqual([{ path: "/vms", limitBytes: 5_000, freeBytes: 0 }]);
  });

  it("are none where nothing is known", () => {
    expect(cgroupLimits(hostOf({}))).toEqual([]);
  });
});
