import * as z from "zod";

const Bytes = z.int().nonnegative();
const NodeId = z.int().min(0).max(4_095);

/** Pages of one size that are reserved on the host. */
const Hugepages = z.strictObject({
  pageBytes: z.int().positive(),
  /** What no process has, and none was promised; of one node: what no process has. */
  freeBytes: Bytes,
  /** Absent: of all nodes. */
  node: NodeId.optional(),
});
export type Hugepages = z.infer<typeof Hugepages>;

/**
 * The memory of a target's host as it is now, beside what its configuration gives to guests. Read before
 * the target is started, which may take from it.
 */
export const HostMemory = z.strictObject({
  /** MemAvailable: what programs can still get without swapping. */
  availableBytes: Bytes.optional(),
  /** The narrowest memory limit of the agent's control group and those above it: guests are in it. */
  cgroup: z
    .strictObject({ path: z.string().max(4_096), limitBytes: Bytes, freeBytes: Bytes })
    .optional(),
  /** What a guest's process may lock (RLIMIT_MEMLOCK); absent: any amount. */
  lockableBytes: Bytes.optional(),
  hugepages: z.array(Hugepages).max(1_024),
  /** Free memory of each NUMA node, without hugepages. */
  nodes: z.array(z.strictObject({ node: NodeId, freeBytes: Bytes })).max(1_024),
  /** The page size of the definition's memory backends that are made of hugepages, by their ids. */
  backendPageBytes: z.record(z.string(), z.int().positive()),
});
export type HostMemory = z.infer<typeof HostMemory>;

/**
 * What a host's memory is made of, whoever has it now: what its agent reports when it registers, and what
 * plans ask. Limits count only where guests are the agent's children.
 */
export const HostMemoryFacts = z.strictObject({
  /** The narrowest memory limit, as in {@link HostMemory}. */
  cgroup: z.strictObject({ path: z.string().max(4_096), limitBytes: Bytes }).optional(),
  /** What a guest's process may lock (RLIMIT_MEMLOCK); absent: any amount. */
  lockableBytes: Bytes.optional(),
  /** Pools of hugepages: all pages that there are or may be. */
  hugepages: z
    .array(
      z.strictObject({
        pageBytes: z.int().positive(),
        totalBytes: Bytes,
        /** Absent: of all nodes. */
        node: NodeId.optional(),
      }),
    )
    .max(1_024),
  /** The NUMA nodes. */
  nodes: z.array(NodeId).max(1_024),
  /** The page size of a memfd that names none. */
  defaultHugepageBytes: z.int().positive().optional(),
  /** The page size of each host resource that is a mount of hugepages. */
  mountPageBytes: z.record(z.string(), z.int().positive()),
});
export type HostMemoryFacts = z.infer<typeof HostMemoryFacts>;
