import type { MigrationId } from "../../core/id.ts";
import { takeKey } from "./idempotency.ts";
import { keys } from "./keys.ts";
import type { StoredMigration } from "./migrations.ts";
import { noSignals } from "./signals.ts";
import { giveBack, slotWrites } from "./slots.ts";
import { getItem, transact, write } from "./table.ts";

export type NewMigration = {
  migration: StoredMigration;
  /** Lets the two agents find each other; 32 bytes, hex. */
  handoverKey: string;
  idempotency: { key: string; bodyHash: string };
  /** What the target may give to guests. */
  memoryBytes: number;
};

/** Places of the key and of the slots in the transaction; before them all is about the VM. */
const KEY = 5;
const SLOTS = 6;

/**
 * Writes a migration and takes the VM's lock with its new epoch: all of it or nothing. The lock is
 * only had by the VM that was read: running, on that host, with that epoch. Where both hosts have
 * room it is admitted with that; if not, it has to wait its turn. Answers with what was written.
 */
export async function createMigration(
  made: NewMigration,
): Promise<NewMigration | "vm-changed" | "key-used"> {
  const { migration, memoryBytes } = made;
  const admitted = { ...migration, slots: "held" } as const;
  const failed = await transact([
    ...creationWrites(made, admitted),
    ...slotWrites(admitted, memoryBytes),
  ]);
  if (failed.length === 0) return { ...made, migration: admitted };
  if (failed.every((place) => place >= SLOTS)) {
    const again = await transact(creationWrites(made, migration));
    return again.length === 0 ? made : because(again);
  }
  return because(failed);
}

function because(failed: number[]): "vm-changed" | "key-used" {
  return failed.includes(KEY) ? "key-used" : "vm-changed";
}

function creationWrites(made: NewMigration, migration: StoredMigration) {
  return [
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
  ];
}

/**
 * Takes back a migration whose execution could not be started. The epoch stays: it never shrinks.
 * False when the migration has begun all the same.
 */
export async function withdrawMigration(made: NewMigration): Promise<boolean> {
  const { migration } = made;
  const held = migration.slots === "held";
  const failed = await transact([
    write.delete(keys.migration(migration.id), {
      condition: `#status = :running AND #phase = :admit AND ${held ? "#slots = :held" : "attribute_not_exists(#slots)"}`,
      values: { ":running": "running", ":admit": "admit", ...(held ? { ":held": "held" } : {}) },
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
    ...(held
      ? [giveBack(migration, "outgoing", 0), giveBack(migration, "incoming", migration.heldBytes)]
      : []),
  ]);
  return failed.length === 0;
}

/** Absent once the migration is over. */
export async function findHandoverKey(id: MigrationId): Promise<string | undefined> {
  const key = (await getItem(keys.secret(id)))?.handoverKey;
  return typeof key === "string" ? key : undefined;
}
