import { z } from "zod";
import { StaleMigration } from "../../core/errors.ts";
import { MigrationId } from "../../core/id.ts";
import { task } from "../runtime/task.ts";
import { admitWaiting } from "../service/admit-waiting.ts";
import { learnLoadTime } from "../service/learn-load-time.ts";
import { endCompleted } from "../store/migration-ending.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";
import { recordEnded } from "../store/vms.ts";

const CompleteInput = z.object({ migrationId: MigrationId });

/**
 * Workflow task for a guest that runs on the target: writes the end, releases the lock and the slots,
 * and admits migrations that waited for them.
 *
 * @throws StaleMigration when the migration has ended in another way
 */
export const handler = task(async (event): Promise<{ status: "completed" }> => {
  const { migrationId } = CompleteInput.parse(event);
  const migration = await readMigration(migrationId);
  const ended = migration.status === "running" && (await endCompleted(migration));
  if (!ended) {
    const { status } = await readMigration(migrationId);
    if (status !== "completed") {
      throw new StaleMigration(`Failed to complete ${migrationId}: it is ${status}`);
    }
  }
  await Promise.all([
    admitWaiting([migration.source, migration.target]),
    recordOutcome(await readMigration(migrationId)),
  ]);
  return { status: "completed" };
});

/** Learns from the migration, and records the exit of a target that ended since. Idempotent. */
async function recordOutcome(migration: StoredMigration): Promise<void> {
  const { targetExited: detail, vm, target } = migration;
  await Promise.all([
    migration.prediction?.errorMs === undefined ? learnLoadTime(migration) : undefined,
    detail === undefined ? undefined : recordEnded(vm, target, { state: "failed", detail }),
  ]);
}
