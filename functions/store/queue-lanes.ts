import * as z from "zod";
import { HostId, MigrationId } from "../../core/id.ts";
import { hostKinds, type LimitKind, tenantKinds } from "../../core/plan/admission.ts";
import { TenantName } from "../../core/vm-rules.ts";
import { keys, type Lane, type Limit, type Listened, ownerOf } from "./keys.ts";
import type { StoredMigration } from "./migration-record.ts";
import { getItem, queryItems, transact, write } from "./table.ts";

/**
 * Migrations that wait to be admitted, or prepared for their slots. Those that nothing tells apart but
 * their age are one lane: the same source, target, tenant and class of memory. A lane waits for one
 * limit that is used up, under which one row stands for all of its migrations. So whoever releases something finds the next one without
 * looking at the others, however many wait.
 */
type Waiting = Pick<StoredMigration, "id" | "source" | "target" | "heldBytes" | "slots" | "tenant">;

const StoredLimit = z.union([
  z.object({ host: HostId, kind: z.enum(hostKinds) }),
  z.object({ tenant: TenantName, kind: z.enum(tenantKinds) }),
]);
const StoredLane = z.object({
  /** Grows with each migration that joins, and with each change of the limit. */
  version: z.int().positive(),
  limit: StoredLimit,
  /** The oldest migration when the limit was written: lanes are served by age. */
  head: MigrationId,
});
export type StoredLane = z.infer<typeof StoredLane>;

/** How often others may change a lane between the read and the write. */
const TRIES_MAX = 10;

/** Memory within a factor of two is one class: a large guest holds up no small one. */
export function laneOf(waiting: Omit<Waiting, "id">): Lane {
  const { source, target, heldBytes, slots, tenant } = waiting;
  const way = { source, target, ...(tenant === undefined ? {} : { tenant }) };
  if (slots === "preparing") return { ...way, pool: "transferring", sizeClass: 0 };
  const sizeClass = Math.floor(Math.log2(Math.max(1, heldBytes)));
  return { ...way, pool: "preparing", sizeClass };
}

export async function findLane(lane: Lane): Promise<StoredLane | undefined> {
  const item = await getItem(keys.lane(lane));
  return item === undefined ? undefined : StoredLane.parse(item);
}

/** Writes that take a migration out of its lane and out of its target's queue. */
export function dequeueWrites(migration: Waiting) {
  return [
    write.delete(keys.laneMember(laneOf(migration), migration.id)),
    write.delete(keys.queued(migration.target, migration.id)),
  ];
}

/** Adds a migration to its lane; a new lane waits for that limit. Idempotent. */
export async function joinLane(migration: Waiting, limit: Limit): Promise<void> {
  const { id, target } = migration;
  const lane = laneOf(migration);
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const known = await findLane(lane);
    const failed = await transact([
      write.put(keys.laneMember(lane, id)),
      write.put(keys.queued(target, id)),
      ...(known === undefined ? newLane(lane, { limit, head: id }) : [touched(lane, known)]),
    ]);
    if (failed.length === 0) return;
  }
  throw new Error(`Failed to queue ${id}: its lane keeps changing`);
}

function newLane(lane: Lane, { limit, head }: Omit<StoredLane, "version">) {
  const item = { ...keys.lane(lane), version: 1, limit, head };
  return [
    write.put(item, { condition: "attribute_not_exists(pk)" }),
    write.put({ ...keys.watch({ limit, head, lane }), lane }),
  ];
}

function touched(lane: Lane, { version }: StoredLane) {
  return write.update({
    key: keys.lane(lane),
    update: "SET #version = #version + :one",
    condition: "#version = :version",
    values: { ":one": 1, ":version": version },
  });
}

/** The oldest migration of a lane. */
export async function headOf(lane: Lane): Promise<MigrationId | undefined> {
  const prefix = "WAITING#";
  const { items } = await queryItems({
    partition: ["pk", keys.lane(lane).pk],
    prefix: ["sk", prefix],
    limit: 1,
  });
  const [first] = items;
  return first === undefined ? undefined : MigrationId.parse(String(first.sk).slice(prefix.length));
}

/** The lane waits for this limit, with this head. False when it has changed since it was read. */
export async function watchLimit(
  lane: Lane,
  known: StoredLane,
  { limit, head }: Omit<StoredLane, "version">,
): Promise<boolean> {
  const before = keys.watch({ ...known, lane });
  const after = keys.watch({ limit, head, lane });
  if (before.pk === after.pk && before.sk === after.sk) return true;
  const failed = await transact([
    write.update({
      key: keys.lane(lane),
      update: "SET #limit = :limit, #head = :head, #version = :next",
      condition: "#version = :version",
      values: {
        ":limit": limit,
        ":head": head,
        ":next": known.version + 1,
        ":version": known.version,
      },
    }),
    write.delete(before),
    write.put({ ...after, lane }),
  ]);
  return failed.length === 0;
}

/** Removes a lane in which nobody waits any more. False when somebody has joined since it was read. */
export async function removeLane(lane: Lane, known: StoredLane): Promise<boolean> {
  const failed = await transact([
    write.delete(keys.lane(lane), {
      condition: "#version = :version",
      values: { ":version": known.version },
    }),
    write.delete(keys.watch({ ...known, lane })),
  ]);
  return failed.length === 0;
}

const LANES_PER_QUERY = 50;
const Watcher = z.object({
  lane: z.object({
    source: HostId,
    target: HostId,
    pool: z.enum(["preparing", "transferring"]),
    sizeClass: z.int().nonnegative(),
    tenant: TenantName.optional(),
  }),
});

/** Of these kinds of limits of a host or tenant, those for which a lane may wait. */
export async function watchedKinds<K extends LimitKind>(
  of: Listened,
  kinds: readonly K[],
): Promise<K[]> {
  const partition: [string, string] = ["pk", ownerOf(of)];
  const prefix: [string, string] = ["sk", "WATCH#"];
  const { items, more } = await queryItems({ partition, prefix, limit: LANES_PER_QUERY });
  const found = new Set(items.map(({ sk }) => String(sk).split("#")[1] ?? ""));
  // Behind this page there may be others.
  return kinds.filter((kind) => more || found.has(kind));
}

/**
 * A page of the lanes that wait for a limit, those with the oldest heads first.
 *
 * @param after `next` of the page before
 */
export async function listWatchers(
  limit: Limit,
  after?: string,
): Promise<{ lanes: Lane[]; next: string | undefined }> {
  const pk = ownerOf(limit);
  const { items, more, last } = await queryItems({
    partition: ["pk", pk],
    prefix: ["sk", `WATCH#${limit.kind}#`],
    limit: LANES_PER_QUERY,
    ...(after === undefined ? {} : { after: { pk, sk: after } }),
  });
  return {
    lanes: items.map((item) => Watcher.parse(item).lane),
    next: more ? last : undefined,
  };
}

/** Migrations that wait for this target, oldest first. */
export async function listQueued(target: HostId, limit: number): Promise<MigrationId[]> {
  const prefix = "QUEUED#";
  const { items } = await queryItems({
    partition: ["pk", keys.host(target).pk],
    prefix: ["sk", prefix],
    limit,
  });
  return items.map(({ sk }) => MigrationId.parse(String(sk).slice(prefix.length)));
}
