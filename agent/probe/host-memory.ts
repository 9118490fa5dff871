import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { isMemoryBackend, memfdPageBytes } from "../../core/definition/memory-backend.ts";
import type { HostMemory, HostMemoryFacts, Hugepages } from "../../core/protocol/host-memory.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { type Resources, resolveResources } from "../guest/resources.ts";
import { cgroupLimits } from "../runtime/cgroup-limits.ts";

/** Linux, include/uapi/linux/magic.h. */
const HUGETLBFS_MAGIC = 0x95_84_58_f6;
/** Linux, include/uapi/linux/capability.h: whoever has it may lock any amount. */
const CAP_IPC_LOCK = 14n;

/**
 * Reads a host's memory for a guest.
 *
 * @param isChild the guest will be the agent's child: in its control group, with its limits
 * @param root where /proc and /sys are
 */
export function readHostMemory(
  definition: VmDefinition,
  resources: Resources,
  isChild: boolean,
  root = "/",
): HostMemory {
  const info = read(root, "proc/meminfo");
  const availableBytes = kibibytes(info, "MemAvailable");
  const defaultPageBytes = kibibytes(info, "Hugepagesize");
  const limits = isChild ? cgroupLimits(root) : [];
  const [cgroup] = limits.toSorted((one, other) => one.freeBytes - other.freeBytes);
  const lockableBytes = isChild ? lockable(root) : undefined;
  return {
    ...(availableBytes === undefined ? {} : { availableBytes }),
    ...(cgroup === undefined ? {} : { cgroup }),
    ...(lockableBytes === undefined ? {} : { lockableBytes }),
    ...(definition.objects.some(isMemoryBackend)
      ? nodesAndPages(root)
      : { nodes: [], hugepages: [] }),
    backendPageBytes: pageSizes(definition, resources, defaultPageBytes),
  };
}

/**
 * Reads what of a host's memory does not change while guests come and go.
 *
 * @param isChild as for {@link readHostMemory}
 */
export function readMemoryFacts(
  resources: Resources,
  isChild: boolean,
  root = "/",
): HostMemoryFacts {
  const limits = isChild ? cgroupLimits(root) : [];
  const [cgroup] = limits.toSorted((one, other) => one.limitBytes - other.limitBytes);
  const lockableBytes = isChild ? lockable(root) : undefined;
  const defaultHugepageBytes = kibibytes(read(root, "proc/meminfo"), "Hugepagesize");
  const nodes = list(root, "sys/devices/system/node", /^node(\d+)$/);
  const mounts = Object.entries(resources).flatMap(([name, value]) => {
    const isMount = typeof value === "object" && value.type === "hugepages";
    const pageBytes = isMount ? fileSystemPageBytes(value.path) : undefined;
    return pageBytes === undefined ? [] : [[name, pageBytes] as const];
  });
  return {
    ...(cgroup && { cgroup: { path: cgroup.path, limitBytes: cgroup.limitBytes } }),
    ...(lockableBytes === undefined ? {} : { lockableBytes }),
    hugepages: [
      ...allPages(root, "sys/kernel/mm/hugepages"),
      ...nodes.flatMap(({ path, number: node }) =>
        allPages(root, `${path}/hugepages`).map((pool) => ({ ...pool, node })),
      ),
    ],
    nodes: nodes.map(({ number }) => number),
    ...(defaultHugepageBytes === undefined ? {} : { defaultHugepageBytes }),
    mountPageBytes: Object.fromEntries(mounts),
  };
}

/** With those that the kernel may add when they are needed. */
function allPages(root: string, folder: string): { pageBytes: number; totalBytes: number }[] {
  return list(root, folder, /^hugepages-(\d+)kB$/).flatMap(({ path, number }) => {
    const count = (name: string) => Number(read(root, `${path}/${name}`));
    const pageBytes = number * 1_024;
    const pages = count("nr_hugepages") + count("nr_overcommit_hugepages");
    return pages === 0 ? [] : [{ pageBytes, totalBytes: pages * pageBytes }];
  });
}

function read(root: string, path: string): string {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return "";
  }
}

function list(root: string, path: string, name: RegExp): { path: string; number: number }[] {
  try {
    return readdirSync(join(root, path)).flatMap((entry) => {
      const number = name.exec(entry)?.[1];
      return number === undefined ? [] : [{ path: `${path}/${entry}`, number: Number(number) }];
    });
  } catch {
    return [];
  }
}

/** A line of meminfo, bytes. */
function kibibytes(text: string, name: string): number | undefined {
  const found = new RegExp(`\\b${name}: +(\\d+) kB`).exec(text)?.[1];
  return found === undefined ? undefined : Number(found) * 1_024;
}

function nodesAndPages(root: string): Pick<HostMemory, "nodes" | "hugepages"> {
  const nodes = list(root, "sys/devices/system/node", /^node(\d+)$/);
  return {
    nodes: nodes.map(({ path, number: node }) => {
      const info = read(root, `${path}/meminfo`);
      const free = kibibytes(info, "MemFree") ?? 0;
      return { node, freeBytes: free + (kibibytes(info, "Inactive\\(file\\)") ?? 0) };
    }),
    hugepages: [
      ...hugepages(root, "sys/kernel/mm/hugepages"),
      ...nodes.flatMap(({ path, number: node }) =>
        hugepages(root, `${path}/hugepages`).map((pages) => ({ ...pages, node })),
      ),
    ],
  };
}

/** A pool that has no page, and may take none when it needs one, is left out. */
function hugepages(root: string, folder: string): Hugepages[] {
  return list(root, folder, /^hugepages-(\d+)kB$/).flatMap(({ path, number }) => {
    const count = (name: string) => Number(read(root, `${path}/${name}`));
    const pageBytes = number * 1_024;
    // Pages that are mapped, and not touched yet, count as free and as reserved.
    const free = count("free_hugepages") - count("resv_hugepages");
    const more = count("nr_overcommit_hugepages") - count("surplus_hugepages");
    const freeBytes = Math.max(0, free + Math.max(0, more)) * pageBytes;
    return count("nr_hugepages") === 0 && freeBytes === 0 ? [] : [{ pageBytes, freeBytes }];
  });
}

/** Of the agent, and so of the guests that it starts (proc_pid_limits(5), capabilities(7)). */
function lockable(root: string): number | undefined {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(read(root, "proc/self/status"))?.[1] ?? "0";
  if ((BigInt(`0x${effective}`) >> CAP_IPC_LOCK) & 1n) return undefined;
  const limit = /^Max locked memory +(\d+) /m.exec(read(root, "proc/self/limits"))?.[1];
  return limit === undefined ? undefined : Number(limit);
}

function pageSizes(
  definition: VmDefinition,
  resources: Resources,
  defaultPageBytes: number | undefined,
): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const backend of backendsOf(definition, resources)) {
    const pageBytes = pageBytesOf(backend, defaultPageBytes);
    if (pageBytes !== undefined) sizes[String(backend.id)] = pageBytes;
  }
  return sizes;
}

function backendsOf(definition: VmDefinition, resources: Resources) {
  if (!definition.objects.some(isMemoryBackend)) return [];
  try {
    // No object is about the guest's folder.
    return resolveResources(definition, resources, "/").definition.objects.filter(isMemoryBackend);
  } catch {
    return []; // A resource is missing here, which is reported as such.
  }
}

function pageBytesOf(
  backend: Readonly<Record<string, unknown>>,
  defaultPageBytes: number | undefined,
): number | undefined {
  const path = backend["mem-path"];
  if (typeof path !== "string") return memfdPageBytes(backend, defaultPageBytes);
  return fileSystemPageBytes(path);
}

/** Undefined: the path is not in a mount of hugepages. */
function fileSystemPageBytes(path: string): number | undefined {
  for (const place of [path, dirname(path)]) {
    try {
      const { type, bsize } = statfsSync(place);
      return type === HUGETLBFS_MAGIC ? bsize : undefined;
    } catch {
      // A file that QEMU is to make: then its folder.
    }
  }
  return undefined;
}
