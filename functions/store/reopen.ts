import { keys } from "./keys.ts";
import type { StoredMigration } from "./migrations.ts";
import { transact, write } from "./table.ts";

/**
 * A migration whose end was unknown is under way again, on its way back, with its slots. What an
 * unknown end left reserved is still reserved. False when somebody else was first.
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
