import { allPhases, type Failure, type MigrationStatus } from "../../core/migration/migration.ts";
import { keys } from "./keys.ts";
import type { StoredMigration } from "./migrations.ts";
import { giveBack } from "./slots.ts";
import { transact, write } from "./table.ts";

/**
 * The guest runs on the target: the record, where the VM is, the lock and both hosts' slots change
 * together. False when the migration was over already. Who held slots waits in no queue; a place left
 * there by chance is taken away by `leaveQueue` when the queue is next looked at.
 */
export async function endCompleted(migration: StoredMigration): Promise<boolean> {
  const { id, target, heldBytes } = migration;
  const nowMs = Date.now();
  const now = new Date(nowMs).toISOString();
  const phases = allPhases(migration.phases, migration, nowMs);
  const failed = await transact([
    write.update({
      key: keys.migration(id),
      update:
        "SET #status = :completed, #phase = :phase, #phases = :phases, #runningOn = :target, #endedAt = :now, #updatedAt = :now, #slots = :released REMOVE #failure",
      condition: "#status = :running AND #slots = :held",
      values: {
        ":completed": "completed",
        ":phase": phases.at(-1)?.name ?? migration.phase,
        ":phases": phases,
        ":running": "running",
        ":target": target,
        ":now": now,
        ":held": "held",
        ":released": "released",
      },
    }),
    write.update({
      key: keys.vm(migration.vm),
      update:
        "SET #host = :target, #state = :running, #heldBytes = :bytes, #updatedAt = :now REMOVE #lockedBy, #detail",
      condition: "#lockedBy = :id",
      values: {
        ":target": target,
        ":running": "running",
        ":bytes": heldBytes,
        ":now": now,
        ":id": id,
      },
    }),
    giveBack(migration, "outgoing", heldBytes),
    giveBack(migration, "incoming", 0),
    write.delete(keys.secret(id)),
  ]);
  return failed.length === 0;
}

export type NotCompleted = {
  status: Exclude<MigrationStatus, "running" | "completed">;
  failure: Failure;
  /** Where things stand for the VM. `unknown` keeps the lock, so that nobody touches it. */
  vm: "runs-on-source" | "lost" | "unknown";
};

/** Writes the end of a migration that did not complete. False when it was over already. */
export async function endNotCompleted(
  migration: StoredMigration,
  end: NotCompleted,
): Promise<boolean> {
  const { id, source, target, heldBytes } = migration;
  const now = new Date().toISOString();
  const held = migration.slots === "held";
  const phase = { name: "end", startedAt: now };
  const failed = await transact([
    write.update({
      key: keys.migration(id),
      update: `SET #status = :status, #failure = :failure, #phase = :release, #phases = list_append(#phases, :phase), #endedAt = :now, #updatedAt = :now, #slots = :released${end.vm === "runs-on-source" ? ", #runningOn = :source" : ""}`,
      condition: `#status = :running AND ${held ? "#slots = :held" : "attribute_not_exists(#slots)"}`,
      values: {
        ":status": end.status,
        ":failure": end.failure,
        ":running": "running",
        ":release": "end",
        ":phase": [phase],
        ":now": now,
        ":released": "released",
        ...(held ? { ":held": "held" } : {}),
        ...(end.vm === "runs-on-source" ? { ":source": source } : {}),
      },
    }),
    write.update({ key: keys.vm(migration.vm), ...vmAfter(migration, end, now) }),
    write.delete(keys.secret(id)),
    ...[source, target].map((host) => write.delete(keys.waiting(host, id))),
    // What may still be in use is not given back: on `unknown` a person frees the target's memory.
    ...(held
      ? [
          giveBack(migration, "outgoing", end.vm === "lost" ? heldBytes : 0),
          giveBack(migration, "incoming", end.vm === "unknown" ? 0 : heldBytes),
        ]
      : []),
  ]);
  return failed.length === 0;
}

function vmAfter(migration: StoredMigration, end: NotCompleted, now: string) {
  const values = { ":id": migration.id, ":now": now };
  const condition = "#lockedBy = :id";
  switch (end.vm) {
    case "runs-on-source":
      return {
        update: "SET #state = :state, #updatedAt = :now REMOVE #lockedBy",
        condition,
        values: { ...values, ":state": "running" },
      };
    case "lost":
      return {
        update:
          "SET #state = :state, #detail = :detail, #heldBytes = :none, #updatedAt = :now REMOVE #lockedBy",
        condition,
        values: {
          ...values,
          ":state": "failed",
          ":detail": end.failure.message,
          ":none": 0,
        },
      };
    case "unknown":
      return {
        update: "SET #state = :state, #detail = :detail, #updatedAt = :now",
        condition,
        values: { ...values, ":state": "unknown", ":detail": end.failure.message },
      };
  }
}
