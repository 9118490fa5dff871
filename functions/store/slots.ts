import { z } from "zod";
import type { HostId, MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import type { StoredMigration } from "./migrations.ts";
import { deleteItem, getItem, putItem, queryItems, transact, write } from "./table.ts";

/** Waiting migrations looked at when a slot comes free. */
const WAITING_MAX = 50;

/**
 * Takes a slot out, a slot in and the target's memory: all or none. The slots are sets of migration
 * ids, so neither taking nor giving back twice counts twice.
 */
export async function takeSlots(migration: StoredMigration): Promise<"held" | "full" | "over"> {
  const { id, source, target, heldBytes } = migration;
  const memoryBytes = await readMemory(target);
  const failed = await transact([
    write.update({
      key: keys.migration(id),
      update: "SET #slots = :held",
      condition:
        "#status = :running AND attribute_not_exists(#slots) AND attribute_not_exists(#cancelRequestedAt)",
      values: { ":held": "held", ":running": "running" },
    }),
    write.update({
      key: keys.host(source),
      update: "ADD #outgoing :id",
      condition: "attribute_not_exists(#outgoing) OR size(#outgoing) < #slotsOut",
      values: { ":id": new Set([id]) },
    }),
    write.update({
      key: keys.host(target),
      update: "ADD #incoming :id, #reservedBytes :bytes",
      condition:
        "(attribute_not_exists(#incoming) OR size(#incoming) < #slotsIn) AND #reservedBytes <= :limit",
      values: {
        ":id": new Set([id]),
        ":bytes": heldBytes,
        ":limit": memoryBytes - heldBytes,
      },
    }),
    write.delete(keys.waiting(source, id)),
    write.delete(keys.waiting(target, id)),
  ]);
  if (failed.length === 0) return "held";
  return failed.includes(0) ? "over" : "full";
}

/** Puts the migration into the queues of both hosts, behind older ones. */
export async function queueForSlots(migration: StoredMigration): Promise<void> {
  await Promise.all([
    putItem(keys.waiting(migration.source, migration.id)),
    putItem(keys.waiting(migration.target, migration.id)),
  ]);
}

/** For a migration that was over before its turn came. */
export async function leaveQueue(migration: StoredMigration): Promise<void> {
  await Promise.all([
    deleteItem(keys.waiting(migration.source, migration.id)),
    deleteItem(keys.waiting(migration.target, migration.id)),
  ]);
}

/** Migrations that wait for these hosts, oldest first. */
export async function listWaiting(hosts: HostId[]): Promise<MigrationId[]> {
  const pages = await Promise.all(
    hosts.map((host) =>
      queryItems({
        partition: ["pk", `HOST#${host}`],
        prefix: ["sk", "WAITING#"],
        limit: WAITING_MAX,
      }),
    ),
  );
  const ids = pages.flatMap(({ items }) =>
    items.map((item) => String(item.sk).slice("WAITING#".length) as MigrationId),
  );
  return [...new Set(ids)].sort();
}

const Memory = z.object({ memoryBytes: z.int().nonnegative().default(0) });

/** What the host may give to guests; nothing before its agent has said. */
async function readMemory(host: HostId): Promise<number> {
  return Memory.parse((await getItem(keys.host(host))) ?? {}).memoryBytes;
}
