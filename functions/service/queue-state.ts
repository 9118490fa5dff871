import { MigrationId } from "../../core/id.ts";
import { PLACES_MAX, type Queue, startsInMs } from "../../core/migration/queue.ts";
import { isOver, placesOf, preparesAhead, slotsOf } from "../../core/plan/admission.ts";
import { assumedRate } from "../../core/plan/stream-rate.ts";
import { readUnderWay, type UnderWay } from "../store/fleet.ts";
import { findHost, type StoredHost } from "../store/hosts.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { listQueued } from "../store/queue-lanes.ts";
import { countsOfHost } from "../store/slots.ts";
import { readTenant, readTenantCounts } from "../store/tenants.ts";

/** It waits to be admitted, or is prepared and waits for its slots. */
export function isQueued({ status, phase, slots, waitsSince }: StoredMigration): boolean {
  if (status !== "running") return false;
  return slots === undefined
    ? phase === "admit"
    : slots === "preparing" && waitsSince !== undefined;
}

/** What a migration waits for, when its turn is expected, and until when it waits. */
export async function readQueue(migration: StoredMigration): Promise<Queue> {
  const queued = await listQueued(migration.target, PLACES_MAX);
  const [waitsFor, startsAtMs] = await Promise.all([
    fullLimits(migration),
    expectedStart(migration, queued),
  ]);
  const place = placeIn(queued, migration.id);
  const { createdAt, waitsSince = createdAt, policy } = migration;
  const deadlineMs = Date.parse(waitsSince) + policy.queueDeadlineMs;
  return {
    deadlineAt: new Date(deadlineMs).toISOString(),
    waitsFor,
    ...(place === undefined ? {} : { place }),
    ...(startsAtMs === undefined ? {} : { expectedStartAt: new Date(startsAtMs).toISOString() }),
  };
}

/** From 1 on; undefined: it does not wait there yet. */
function placeIn(queued: readonly MigrationId[], id: MigrationId): number | undefined {
  const index = queued.indexOf(id);
  if (index >= 0) return index + 1;
  return queued.length < PLACES_MAX ? undefined : PLACES_MAX + 1;
}

/** Its turn comes when both hosts have a slot; of its source only those that hold one are counted. */
async function expectedStart(
  migration: StoredMigration,
  queued: readonly MigrationId[],
): Promise<number | undefined> {
  const { id, heldBytes } = migration;
  const [source, target, tenant] = await Promise.all([
    findHost(migration.source),
    findHost(migration.target),
    migration.tenant === undefined ? undefined : readTenant(migration.tenant),
  ]);
  if (source === undefined || target === undefined) return undefined;
  const place = queued.indexOf(id);
  if (place < 0) return undefined;
  if (migration.slots === undefined && memory(target, heldBytes).length > 0) return undefined;
  const ahead = new Set<string>(queued.slice(0, place));
  const ofTenant = tenant?.transferring ?? new Set();
  const holders = [...source.outgoing, ...target.incoming, ...ofTenant].map((holder) =>
    MigrationId.parse(holder),
  );
  const all = await readUnderWay([...new Set([...holders, ...queued.slice(0, place)])]);
  const links = [countsOfHost(source).linkOut, countsOfHost(target).linkIn];
  const rate = assumedRate(links);
  const of = (ids: ReadonlySet<string>) =>
    all.filter((one) => ids.has(one.id)).map((one) => leftMs(one, rate));
  const turns = [
    startsInMs({ slots: source.slotsOut, endsInMs: of(source.outgoing), aheadMs: [] }),
    startsInMs({ slots: target.slotsIn, endsInMs: of(target.incoming), aheadMs: of(ahead) }),
  ];
  const limit = tenant?.migrationsAtOnce;
  // Those of its tenant that wait elsewhere are not counted.
  if (limit !== undefined) {
    turns.push(startsInMs({ slots: limit, endsInMs: of(ofTenant), aheadMs: [] }));
  }
  const inMs = Math.ceil(Math.max(...turns));
  return Number.isFinite(inMs) ? Date.now() + inMs : undefined;
}

function leftMs({ status, progress, heldBytes }: UnderWay, rate: number): number {
  // It keeps its slots until a person has helped.
  if (status === "unknown") return Number.POSITIVE_INFINITY;
  const { bandwidthBytesPerSecond: measured = 0, ramRemainingBytes = heldBytes } = progress ?? {};
  return (ramRemainingBytes / (measured > 0 ? measured : rate)) * 1_000;
}

/** The limits that are used up now; empty where they have become free since. */
export async function fullLimits(migration: StoredMigration): Promise<string[]> {
  const [source, target, tenant] = await Promise.all([
    findHost(migration.source),
    findHost(migration.target),
    readTenantCounts(migration.tenant),
  ]);
  if (source === undefined || target === undefined) return [];
  const { slotLimits, heldBytes, rateBytesPerSecond: rate = 0 } = migration;
  const ends = { source: countsOfHost(source), target: countsOfHost(target), slotLimits };
  const slots = slotsOf(ends);
  const full = [
    ...used(source, "slots out", ends.source.outgoing, slots.out),
    ...usedLink(source, "link out", { used: ends.source.rateOut, rate, link: ends.source.linkOut }),
    ...used(target, "slots in", ends.target.incoming, slots.in),
    ...usedLink(target, "link in", { used: ends.target.rateIn, rate, link: ends.target.linkIn }),
    ...usedByTenant(migration.tenant, "migrations", tenant?.transferring, tenant?.limit),
  ];
  if (full.length > 0) full.push(...(await keptByUnknown(source.outgoing, target.incoming)));
  if (migration.slots === "preparing") return full;
  const places = placesOf(ends);
  const pools = preparesAhead(ends)
    ? [
        ...used(source, "places to prepare moves out", ends.source.preparingOut, places.out),
        ...used(target, "places to prepare moves in", ends.target.preparingIn, places.in),
        ...usedByTenant(migration.tenant, "prepared moves", tenant?.preparing, tenant?.limit),
      ]
    : full;
  return [...pools, ...memory(target, heldBytes)];
}

/** Slots that nothing gives back by itself. */
async function keptByUnknown(...holders: ReadonlySet<string>[]): Promise<string[]> {
  const ids = new Set(holders.flatMap((one) => [...one]));
  const all = await readUnderWay([...ids].map((id) => MigrationId.parse(id)));
  return all
    .filter(({ status }) => status === "unknown")
    .map(({ id, vm }) => `one of them by ${id}, whose end is unknown: reconcile ${vm}`);
}

function used({ id }: StoredHost, what: string, count: number, limit: number): string[] {
  return count < limit ? [] : [`${id}'s ${what}: ${count} of ${limit} are taken`];
}

function usedByTenant(tenant = "", what: string, count = 0, limit = Infinity): string[] {
  return count < limit ? [] : [`the tenant ${tenant}'s ${what}: ${count} of ${limit} are taken`];
}

type LinkUse = { used: number; rate: number; link: number | undefined };

function usedLink({ id }: StoredHost, what: string, { used, rate, link }: LinkUse): string[] {
  if (link === undefined || !isOver(used, rate, link)) return [];
  return [
    `${id}'s ${what}: ${rate} B/s are needed, ${Math.max(0, link - used)} of ${link} are free`,
  ];
}

function memory({ id, reservedBytes, memoryBytes = 0 }: StoredHost, neededBytes: number) {
  const freeBytes = memoryBytes - reservedBytes;
  if (freeBytes >= neededBytes) return [];
  return [`${id}'s memory: ${neededBytes} bytes are needed, ${Math.max(0, freeBytes)} are free`];
}
