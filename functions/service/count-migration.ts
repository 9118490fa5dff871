import { observationsOf } from "../../core/observations.ts";
import { log } from "../runtime/log.ts";
import { markCounted } from "../store/counters.ts";
import { publicMigration, type StoredMigration } from "../store/migration-record.ts";
import { count } from "./count-observations.ts";

/**
 * Adds an ended migration to the metrics, as it ended first: a reopened one is not counted again. A
 * failure is logged and does not fail the migration.
 */
export async function countMigration(migration: StoredMigration): Promise<void> {
  const { id } = migration;
  try {
    if (!(await markCounted(migration))) return;
  } catch (error) {
    log().warn({ err: error, migrationId: id }, "failed to count a migration");
    return;
  }
  await count(observationsOf(publicMigration(migration), migration), id);
}
