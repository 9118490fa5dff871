import { memfdPageBytes } from "../definition/memory-backend.ts";
import { HostResource } from "../host-resources.ts";
import type { HostMemory, HostMemoryFacts } from "../protocol/host-memory.ts";

type Objects = readonly Readonly<Record<string, unknown>>[];

/**
 * A host's memory as its agent would answer if nobody had any of it: so negotiation's own rules say
 * what a host can never give to a guest, whatever a plan moves away from it.
 */
export function potentialMemory(facts: HostMemoryFacts, objects: Objects): HostMemory {
  const { cgroup, lockableBytes, hugepages, nodes } = facts;
  // Of a file by its path nobody knows here whether it is in hugepages, which no limit counts.
  const isKnown = objects.every((object) => typeof object["mem-path"] !== "string");
  return {
    ...(cgroup && isKnown ? { cgroup: { ...cgroup, freeBytes: cgroup.limitBytes } } : {}),
    ...(lockableBytes === undefined ? {} : { lockableBytes }),
    hugepages: hugepages.map(({ totalBytes, ...pool }) => ({ ...pool, freeBytes: totalBytes })),
    nodes: nodes.map((node) => ({ node, freeBytes: Number.MAX_SAFE_INTEGER })),
    backendPageBytes: Object.fromEntries(
      objects.flatMap((object) => {
        const pageBytes = pageBytesOf(object, facts);
        return pageBytes === undefined ? [] : [[String(object.id), pageBytes]];
      }),
    ),
  };
}

function pageBytesOf(object: Objects[number], facts: HostMemoryFacts): number | undefined {
  const place = HostResource.safeParse(object["mem-path"]);
  if (place.success) return facts.mountPageBytes[place.data.$host];
  return memfdPageBytes(object, facts.defaultHugepageBytes);
}

/** Whether a guest's size decides something there, beside the memory that the plan counts itself. */
export function hasMemoryLimit({ cgroup, lockableBytes }: HostMemoryFacts): boolean {
  return cgroup !== undefined || lockableBytes !== undefined;
}
