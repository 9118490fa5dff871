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

type Guest = { readonly vfioDevices: readonly unknown[] };

/**
 * Whether the size of a guest decides something on one of these hosts, beside the memory that the plan
 * counts itself.
 */
export function sizeRules(hosts: readonly { memory?: HostMemoryFacts | undefined }[]) {
  const isGrouped = hosts.some(({ memory }) => memory?.cgroup !== undefined);
  const isLocked = hosts.some(({ memory }) => memory?.lockableBytes !== undefined);
  return ({ vfioDevices }: Guest) => isGrouped || (isLocked && vfioDevices.length > 0);
}
