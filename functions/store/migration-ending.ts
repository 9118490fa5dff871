import type { MigrationId } from "../../core/id.ts";
import { allPhases, type Failure, type MigrationStatus } from "../../core/migration/migration.ts";
import { keys } from "./keys.ts";
import type { StoredMigration } from "./migration-record.ts";
import { releaseSlot } from "./slots.ts";
import { transact, updateIf, write } from "./table.ts";

/**
 * Writes the end of a migration whose guest runs on the target: the record, the VM's host, the lock
 * and both hosts' slots change together. False when the migration has ended before.
 *
 * A migration with slots has no queue entry, or a stale one that `removeFromQueues` removes
 * later.
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
    releaseSlot(migration, "outgoing", heldBytes),
    releaseSlot(migration, "incoming", 0),
    write.delete(keys.secret(id)),
  ]);
  return failed.length === 0;
}

export type NotCompleted = {
  status: Exclude<MigrationStatus, "running" | "completed">;
  failure: Failure;
  /** What becomes of the VM. `unknown` keeps the lock, so that nothing is done to it. */
  vm: "runs-on-source" | "lost" | "unknown";
};

/** Writes the end of a migration that did not complete. False when it has ended before. */
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
      update: `SET #status = :status, #failure = :failure, #phase = :end, #phases = list_append(#phases, :phase), #endedAt = :now, #updatedAt = :now, #slots = :released${end.vm === "runs-on-source" ? ", #runningOn = :source" : ""}`,
      condition: `#status = :running AND ${held ? "#slots = :held" : "attribute_not_exists(#slots)"}`,
      values: {
        ":status": end.status,
        ":failure": end.failure,
        ":running": "running",
        ":end": "end",
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
    // Memory that may be in use is not released: on `unknown` a person frees the target's.
    ...(held
      ? [
          releaseSlot(migration, "outgoing", end.vm === "lost" ? heldBytes : 0),
          releaseSlot(migration, "incoming", end.vm === "unknown" ? 0 : heldBytes),
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

/** Records the migration that continues after this one has ended. */
export async function recordSuccessor(id: MigrationId, successor: MigrationId): Promise<void> {
  await updateIf({
    key: keys.migration(id),
    update: "SET #successor = :successor",
    condition: "attribute_exists(pk)",
    values: { ":successor": successor },
  });
}

/** Records, after the end, the difference between the measured and the predicted downtime. */
export async function recordPredictionError(id: MigrationId, errorMs: number): Promise<void> {
  await updateIf({
    key: keys.migration(id),
    update: "SET #prediction.#errorMs = :errorMs",
    condition: "attribute_exists(#prediction)",
    values: { ":errorMs": errorMs },
  });
}

/**
 * Makes a migration whose end was unknown run again, on its way back, with its slots. Memory that the
 * unknown end left reserved is still reserved. False when another caller was first.
 */
export async function reopenUnknown(migration: StoredMigration): Promise<boolean> {
  const { id, source, target, decisions } = migration;
  const now = new Date().toISOString();
  const member = { ":id": new Set([id]) };
  const failed = await transact([
    write.update({
      key: keys.migration(id),
      update:
        "SET #status = :running, #phase = :phase, #phases = list_append(#phases, :entered), #slots = :held, #turnsBefore = :turns, #updatedAt = :now REMOVE #endedAt",
      condition: "#status = :unknown AND size(#decisions) = :turns",
      values: {
        ":running": "running",
        ":unknown": "unknown",
        ":phase": "reconcile",
        ":entered": [{ name: "reconcile", startedAt: now }],
        ":held": "held",
        ":turns": decisions.length,
        ":now": now,
      },
    }),
    write.update({
      key: keys.vm(migration.vm),
      update: "SET #state = :migrating, #updatedAt = :now REMOVE #detail",
      condition: "#lockedBy = :id AND #state = :unknown",
      values: { ":migrating": "migrating", ":unknown": "unknown", ":id": id, ":now": now },
    }),
    write.update({ key: keys.host(source), update: "ADD #outgoing :id", values: member }),
    write.update({ key: keys.host(target), update: "ADD #incoming :id", values: member }),
  ]);
  return failed.length === 0;
}
