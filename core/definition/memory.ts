import * as z from "zod";
import { PartId } from "./values.ts";

/** Largest guest, bytes. */
export const MEMORY_BYTES_MAX = 2 ** 46;

export const MemoryBytes = z
  .int()
  .min(1 << 20)
  .max(MEMORY_BYTES_MAX)
  .multipleOf(1 << 20, "expected a multiple of 1 MiB");

/** What the guest's memory is made of, and what can be plugged in. */
export const Memory = z
  .strictObject({
    /** Id of the object (`memory-backend-memfd`, `memory-backend-file`…) that is the memory. */
    backend: PartId.optional(),
    /** Slots for memory devices; with `maxBytes` only. */
    slots: z.int().min(0).max(256).optional(),
    /** Memory that the guest may have with its memory devices. */
    maxBytes: MemoryBytes.optional(),
  })
  .refine((memory) => (memory.slots ?? 0) === 0 || memory.maxBytes !== undefined, {
    path: ["maxBytes"],
    message: "expected the most memory that the slots may bring, got nothing",
  });
export type Memory = z.infer<typeof Memory>;

const nodeId = z.int().min(0).max(127);
const index = z.int().min(0).max(4_095);

const NumaNode = z.strictObject({
  type: z.literal("node"),
  nodeid: nodeId,
  /** Indexes of vCPUs, those that are plugged in later included. */
  cpus: z.array(index).max(4_096).optional(),
  /** Id of the object that is the node's memory. */
  memdev: PartId.optional(),
});

const NumaDistance = z.strictObject({
  type: z.literal("dist"),
  src: nodeId,
  dst: nodeId,
  /** 10 is a node's distance to itself, 255 means that there is no way. */
  val: z.int().min(10).max(255),
});

const NumaCpu = z.strictObject({
  type: z.literal("cpu"),
  "node-id": nodeId,
  "socket-id": index.optional(),
  "die-id": index.optional(),
  "module-id": index.optional(),
  "cluster-id": index.optional(),
  "core-id": index.optional(),
  "thread-id": index.optional(),
});

/** NUMA nodes, their distances and CPUs, with QEMU's names (qapi/machine.json, NumaOptions). */
export const Numa = z
  .array(z.discriminatedUnion("type", [NumaNode, NumaDistance, NumaCpu]))
  .max(1_024);
export type Numa = z.infer<typeof Numa>;
