import type { MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { parseMigration, type StoredMigration } from "./migration-record.ts";
import { type Update, updateIf, updateItem } from "./table.ts";

type Change = {
  /** Actions of SET, separated by commas. */
  set: string;
  condition?: string;
  values: Record<string, unknown>;
};

/** Changes a running migration. False, and nothing written, when it has ended. */
export async function updateRunning(id: MigrationId, change: Change): Promise<boolean> {
  return updateIf(ofRunning(id, change));
}

/** The same, and returns the record as it is then; undefined when nothing was written. */
export async function updateRunningReading(
  id: MigrationId,
  change: Change,
): Promise<StoredMigration | undefined> {
  const item = await updateItem(ofRunning(id, change));
  return item === undefined ? undefined : parseMigration(item);
}

function ofRunning(id: MigrationId, { set, condition, values }: Change): Update {
  const also = condition === undefined ? "" : ` AND (${condition})`;
  return {
    key: keys.migration(id),
    update: `SET ${set}, #updatedAt = :now`,
    condition: `#status = :running${also}`,
    values: { ...values, ":running": "running", ":now": new Date().toISOString() },
  };
}
