import { z } from "zod";
import { StaleMigration } from "../core/errors.ts";
import { MigrationId } from "../core/id.ts";
import { admitWaiting } from "./admit-waiting.ts";
import { learnFrom } from "./learn.ts";
import { endCompleted } from "./store/endings.ts";
import { readMigration } from "./store/migrations.ts";
import { task } from "./task.ts";

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
    ended ? learnFrom(await readMigration(migrationId)) : undefined,
  ]);
  return { status: "completed" };
});
