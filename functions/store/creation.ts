import type { MigrationId } from "../../core/id.ts";
import { takeKey } from "./idempotency.ts";
import { keys } from "./keys.ts";
import type { StoredMigration } from "./migrations.ts";
import { noSignals } from "./signals.ts";
import { getItem, transact, write } from "./table.ts";

export type NewMigration = {
  migration: StoredMigration;
  /** Lets the two agents find each other; 32 bytes, hex. */
  handoverKey: string;
  idempotency: { key: string; bodyHash: string };
};

/**
 * Writes a migration and takes the VM's lock with its new epoch: all of it or nothing. The lock is
 * only had by the VM that was read: running, on that host, with that epoch.
 */
export async function createMigration(
  made: NewMigration,
): Promise<"created" | "vm-changed" | "key-used"> {
  const { migration } = made;
  const failed = await transact([
    write.put(
      { ...keys.migration(migration.id), ...migration, gsi1pk: "MIGRATIONS", gsi1sk: migration.id },
      { condition: "attribute_not_exists(pk)" },
    ),
    write.put(noSignals(migration.id)),
    write.put({ ...keys.secret(migration.id), handoverKey: made.handoverKey }),
    write.put(keys.vmMigration(migration.vm, migration.id)),
    write.update({
      key: keys.vm(migration.vm),
      update: "SET #lockedBy = :id, #epoch = :epoch, #state = :migrating, #updatedAt = :now",
      condition:
        "#state = :running AND attribute_not_exists(#lockedBy) AND #host = :source AND #epoch = :before",
      values: {
        ":id": migration.id,
        ":epoch": migration.epoch,
        ":before": migration.epoch - 1,
        ":migrating": "migrating",
        ":running": "running",
        ":source": migration.source,
        ":now": migration.createdAt,
      },
    }),
    takeKey(made.idempotency.key, {
      bodyHash: made.idempotency.bodyHash,
      migrationId: migration.id,
    }),
  ]);
  if (failed.length === 0) return "created";
  return failed.includes(5) ? "key-used" : "vm-changed";
}

/**
 * Takes back a migration whose execution could not be started. The epoch stays: it never shrinks.
 * False when the migration has begun all the same.
 */
export async function withdrawMigration(made: NewMigration): Promise<boolean> {
  const { migration } = made;
  const failed = await transact([
    write.delete(keys.migration(migration.id), {
      condition: "attribute_not_exists(#slots) AND #status = :running AND #phase = :admit",
      values: { ":running": "running", ":admit": "admit" },
    }),
    write.delete(keys.signals(migration.id)),
    write.delete(keys.secret(migration.id)),
    write.delete(keys.vmMigration(migration.vm, migration.id)),
    write.update({
      key: keys.vm(migration.vm),
      update: "SET #state = :running, #updatedAt = :now REMOVE #lockedBy",
      condition: "#lockedBy = :id",
      values: {
        ":id": migration.id,
        ":running": "running",
        ":now": new Date().toISOString(),
      },
    }),
    write.delete(keys.idempotency(made.idempotency.key)),
  ]);
  return failed.length === 0;
}

/** Absent once the migration is over. */
export async function findHandoverKey(id: MigrationId): Promise<string | undefined> {
  const key = (await getItem(keys.secret(id)))?.handoverKey;
  return typeof key === "string" ? key : undefined;
}
