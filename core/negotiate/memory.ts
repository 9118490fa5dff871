import { bytesInFull } from "../format.ts";
import type { HostMemory, Hugepages } from "../protocol/host-memory.ts";
import type { Blocker } from "./agreement.ts";
import type { BothSides, RuledDefinition } from "./sides.ts";

const MIB = 2 ** 20;
/** What a QEMU takes beside the guest's memory, roughly: itself, and page tables (8 bytes of 4096). */
const QEMU_BYTES = 64 * MIB;
const PAGE_TABLES_SHARE = 1 / 512;
/** VFIO maps the guest's memory and the devices' own (libvirt's qemu_domain.c adds as much). */
const VFIO_BYTES = 2 ** 30;

/** Memory that the guest needs on the target, bytes: memory devices may add to its definition's. */
export function neededBytes({ source, definition }: Pick<BothSides, "source" | "definition">) {
  return Math.max(definition.memoryBytes, source.memoryBytes);
}

/** A target without room for the guest. Both in bytes. */
export function memoryBlockers(memory: { neededBytes: number; freeBytes: number }): Blocker[] {
  if (memory.freeBytes >= memory.neededBytes) return [];
  return [
    {
      code: "memory-short",
      field: "target.memoryFreeBytes",
      message: `Expected ${bytesInFull(memory.neededBytes)} of memory to be free on the target, got ${bytesInFull(memory.freeBytes)}`,
      cure: `Free ${bytesInFull(memory.neededBytes - memory.freeBytes)} on the target, or choose another host`,
    },
  ];
}

/**
 * What the target's host lacks of the memory as it is there now, whatever its configuration gives to
 * guests. None where an older agent has not read it.
 */
export function hostMemoryBlockers(sides: BothSides): Blocker[] {
  const { memory } = sides.target;
  if (memory === undefined) return [];
  const backends = backendsOf(sides.definition, memory);
  return [
    ...ordinaryBlockers(sides, memory, backends),
    ...lockBlockers(sides, memory),
    ...hugepageBlockers(memory, backends),
    ...nodeBlockers(memory, backends),
  ];
}

type Backend = {
  readonly id: string;
  readonly bytes: number;
  /** Of hugepages; undefined: ordinary memory. */
  readonly pageBytes: number | undefined;
  /** Nodes that it must be on; undefined: any. */
  readonly nodes: readonly number[] | undefined;
};

/** The definition's memory backends whose size is known. */
function backendsOf({ objects }: RuledDefinition, memory: HostMemory): Backend[] {
  return objects.flatMap((object) => {
    const { id, size, policy } = object;
    const bytes = typeof size === "number" ? size : bytesOf(String(size));
    if (!String(object["qom-type"]).startsWith("memory-backend-") || bytes === undefined) return [];
    const nodes = policy === "bind" ? nodesOf(object["host-nodes"]) : undefined;
    return [{ id: String(id), bytes, pageBytes: memory.backendPageBytes[String(id)], nodes }];
  });
}

function nodesOf(nodes: unknown): number[] | undefined {
  const list = Array.isArray(nodes) ? nodes : [nodes];
  const numbers = list.filter((node) => typeof node === "number");
  return numbers.length === 0 ? undefined : numbers;
}

/** `4G` → 4294967296, with QEMU's suffixes. */
function bytesOf(text: string): number | undefined {
  const [, number, unit = ""] = /^(\d+)([KMGT]?)$/i.exec(text) ?? [];
  if (number === undefined) return undefined;
  return Number(number) * 1_024 ** " KMGT".indexOf(unit.toUpperCase() || " ");
}

/** Blockers for the guest's memory outside of hugepages, and for QEMU's own memory. */
function ordinaryBlockers(
  sides: BothSides,
  { availableBytes, cgroup }: HostMemory,
  backends: readonly Backend[],
): Blocker[] {
  const bytes = neededBytes(sides);
  const inPages = sum(backends.filter(({ pageBytes }) => pageBytes !== undefined));
  const own = Math.ceil(QEMU_BYTES + bytes * PAGE_TABLES_SHARE);
  const needed = Math.max(0, bytes - inPages) + own;
  const what = `Expected ${bytesInFull(needed)}, of them ${bytesInFull(own)} for QEMU itself,`;
  const found: Blocker[] = [];
  if (availableBytes !== undefined && availableBytes < needed) {
    found.push({
      code: "host-memory-short",
      field: "target.memory.availableBytes",
      message: `${what} to be available on the target's host, got ${bytesInFull(availableBytes)} of MemAvailable`,
      cure: `Free ${bytesInFull(needed - availableBytes)} on the target's host, or choose another host`,
    });
  }
  if (cgroup !== undefined && cgroup.freeBytes < needed) {
    found.push({
      code: "cgroup-memory-short",
      field: "target.memory.cgroup",
      message: `${what} below the memory limit of the control group ${cgroup.path}, got ${bytesInFull(cgroup.freeBytes)} of ${bytesInFull(cgroup.limitBytes)}`,
      cure: `Raise that limit on the target's host (systemd: MemoryMax=), or choose another host`,
    });
  }
  return found;
}

/** VFIO locks all of the guest's memory; so does QEMU where it is asked to. */
function lockBlockers(sides: BothSides, { lockableBytes }: HostMemory): Blocker[] {
  const needed = neededBytes(sides) + VFIO_BYTES;
  const isLocked = sides.source.vfioDevices.length > 0;
  if (!isLocked || lockableBytes === undefined || lockableBytes >= needed) return [];
  return [
    {
      code: "locked-memory-short",
      field: "target.memory.lockableBytes",
      message: `Expected a limit of locked memory of at least ${bytesInFull(needed)} on the target, since the guest has a VFIO device, got ${bytesInFull(lockableBytes)}`,
      cure: "Raise it for the target's agent (systemd: LimitMEMLOCK=infinity) and restart that, or give it CAP_IPC_LOCK",
    },
  ];
}

function hugepageBlockers(memory: HostMemory, backends: readonly Backend[]): Blocker[] {
  const sizes = new Set(backends.flatMap(({ pageBytes }) => pageBytes ?? []));
  return [...sizes].flatMap((pageBytes) => {
    const all = backends.filter((backend) => backend.pageBytes === pageBytes);
    const pools = memory.hugepages.filter((pages) => pages.pageBytes === pageBytes);
    return demandsOf(all).flatMap(({ nodes, bytes }) => {
      const freeBytes = sumFree(pools.filter((pool) => isOf(pool, nodes)));
      if (freeBytes >= bytes) return [];
      const where = nodes === undefined ? "" : ` of node ${nodes.join(", ")}`;
      const lacking = Math.ceil((bytes - freeBytes) / pageBytes);
      const blocker: Blocker = {
        code: "hugepages-short",
        field: "target.memory.hugepages",
        message: `Expected ${bytesInFull(bytes)} in free hugepages of ${pageBytes} bytes${where} on the target, got ${bytesInFull(freeBytes)}`,
        cure: `Reserve ${lacking} more of them there (hugepages-${pageBytes / 1_024}kB/nr_hugepages), or choose another host`,
      };
      return [blocker];
    });
  });
}

function nodeBlockers(memory: HostMemory, backends: readonly Backend[]): Blocker[] {
  const ordinary = backends.filter(({ pageBytes }) => pageBytes === undefined);
  const absent = backends
    .flatMap(({ nodes = [] }) => nodes)
    .filter((node) => !memory.nodes.some((known) => known.node === node));
  if (absent.length > 0) {
    const nodes = [...new Set(absent)].join(", ");
    return [
      {
        code: "numa-node-missing",
        field: "target.memory.nodes",
        message: `The guest's memory is bound to node ${nodes}, and the target's host has none of that number`,
        cure: "Choose another host, or restart the guest with memory that is not bound to it",
      },
    ];
  }
  return demandsOf(ordinary.filter(({ nodes }) => nodes !== undefined)).flatMap(
    ({ nodes = [], bytes }) => {
      const own = memory.nodes.filter(({ node }) => nodes.includes(node));
      const freeBytes = sumFree(own);
      if (freeBytes >= bytes) return [];
      const blocker: Blocker = {
        code: "numa-node-short",
        field: "target.memory.nodes",
        message: `Expected ${bytesInFull(bytes)} to be free on node ${nodes.join(", ")} of the target's host, got ${bytesInFull(freeBytes)}`,
        cure: `Free ${bytesInFull(bytes - freeBytes)} there, or choose another host`,
      };
      return [blocker];
    },
  );
}

type Demand = { nodes: readonly number[] | undefined; bytes: number };

/** Backends that are bound to the same nodes want their memory together; all want it of the host. */
function demandsOf(backends: readonly Backend[]): Demand[] {
  const bound = new Map<string, Demand>();
  for (const { nodes, bytes } of backends) {
    if (nodes === undefined) continue;
    const key = nodes.join();
    bound.set(key, { nodes, bytes: bytes + (bound.get(key)?.bytes ?? 0) });
  }
  const isAnyFree = backends.some(({ nodes }) => nodes === undefined);
  const whole = isAnyFree ? [{ nodes: undefined, bytes: sum(backends) }] : [];
  return [...whole, ...bound.values()];
}

/** A pool of these nodes, or that of the host. */
function isOf({ node }: Hugepages, nodes: readonly number[] | undefined): boolean {
  return nodes === undefined ? node === undefined : node !== undefined && nodes.includes(node);
}

const sum = (backends: readonly Pick<Backend, "bytes">[]) =>
  backends.reduce((total, { bytes }) => total + bytes, 0);

const sumFree = (pools: readonly { readonly freeBytes: number }[]) =>
  pools.reduce((total, { freeBytes }) => total + freeBytes, 0);
