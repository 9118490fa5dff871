import { observationsOf } from "../../core/metrics.ts";
import { log } from "../runtime/log.ts";
import { countOnce } from "../store/counters.ts";
import { publicMigration, type StoredMigration } from "../store/migration-record.ts";
import { sumOf } from "./count-observations.ts";

/**
 * Adds an ended migration to the metrics, as it ended first: a reopened one is not counted again. A
 * failure is logged and does not fail the migration.
 */
export async function countMigration(migration: StoredMigration): Promise<void> {
  const additions = sumOf(observationsOf(publicMigration(migration)));
  try {
    await countOnce(migration, additions);
  } catch (error) {
    log().warn({ err: error, migrationId: migration.id }, "failed to count a migration");
  }
}
