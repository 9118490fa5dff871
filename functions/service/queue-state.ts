import type { Queue } from "../../core/migration/queue.ts";
import { findHost, type StoredHost } from "../store/hosts.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { countHolders, placeInQueue } from "../store/slots.ts";

/** It has been written, and has neither slots nor an end. */
export function isQueued({ status, phase, slots }: StoredMigration): boolean {
  return status === "running" && phase === "admit" && slots === undefined;
}

/** What a migration waits for, and until when. */
export async function readQueue(migration: StoredMigration): Promise<Queue> {
  const [place, waitsFor] = await Promise.all([placeInQueue(migration), fullLimits(migration)]);
  const deadlineMs = Date.parse(migration.createdAt) + migration.policy.queueDeadlineMs;
  return {
    deadlineAt: new Date(deadlineMs).toISOString(),
    waitsFor,
    ...(place === undefined ? {} : { place }),
  };
}

/** The limits that are used up now; empty where they have become free since. */
export async function fullLimits(migration: StoredMigration): Promise<string[]> {
  const [source, target] = await Promise.all(
    [migration.source, migration.target].map((id) => findHost(id)),
  );
  if (source === undefined || target === undefined) return [];
  const [from, to] = await Promise.all([countHolders(source.id), countHolders(target.id)]);
  return [
    ...slots(source, "out", from.outgoing, source.slotsOut),
    ...slots(target, "in", to.incoming, target.slotsIn),
    ...memory(target, migration.heldBytes),
  ];
}

function slots({ id }: StoredHost, way: "out" | "in", used: number, limit: number): string[] {
  return used < limit ? [] : [`${id}'s slots ${way}: ${used} of ${limit} are taken`];
}

function memory({ id, reservedBytes, memoryBytes = 0 }: StoredHost, neededBytes: number) {
  const freeBytes = memoryBytes - reservedBytes;
  if (freeBytes >= neededBytes) return [];
  return [`${id}'s memory: ${neededBytes} bytes are needed, ${Math.max(0, freeBytes)} are free`];
}
