import { z } from "zod";
import { StaleMigration } from "../../core/errors.ts";
import { MigrationId } from "../../core/id.ts";
import { task } from "../runtime/task.ts";
import { admitWaiting } from "../service/admit-waiting.ts";
import { learnFrom } from "../service/learn-load-time.ts";
import { endCompleted } from "../store/endings.ts";
import { readMigration, type StoredMigration } from "../store/migrations.ts";
import { recordEnded } from "../store/vms.ts";

const CompleteInput = z.object({ migrationId: MigrationId });

/**
 * Workflow task: the guest runs on the target. Writes that down, gives lock and slots back, and
 * lets in who waited for them.
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
    afterwards(await readMigration(migrationId)),
  ]);
  return { status: "completed" };
});

/** What became known underway and is not part of the end itself. Repeated it changes nothing. */
async function afterwards(migration: StoredMigration): Promise<void> {
  const { targetExited: detail, vm, target } = migration;
  await Promise.all([
    migration.prediction?.errorMs === undefined ? learnFrom(migration) : undefined,
    detail === undefined ? undefined : recordEnded(vm, target, { state: "failed", detail }),
  ]);
}
