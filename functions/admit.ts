import { z } from "zod";
import { StaleMigration } from "../core/errors.ts";
import { MigrationId } from "../core/id.ts";
import { isFinal } from "../core/migration.ts";
import { raise } from "./raise.ts";
import { readMigration, type StoredMigration } from "./store/migrations.ts";
import { queueForSlots, takeSlots } from "./store/slots.ts";
import { task } from "./task.ts";
import { waitFor } from "./wait.ts";

const AdmitInput = z.object({ migrationId: MigrationId, taskToken: z.string().min(1) });

/** The signal that a migration's turn has come. */
export const ADMITTED = "admitted";

/**
 * Workflow task with token: takes a slot on each host and memory on the target. When they are full
 * the migration waits its turn; whoever gives slots back wakes it.
 *
 * @throws StaleMigration when the migration is over
 */
export const handler = task(async (event): Promise<Record<string, never>> => {
  const { migrationId, taskToken: token } = AdmitInput.parse(event);
  const waiter = { token, names: [ADMITTED], failOn: [], interruptible: true };
  const reading = readRunning(migrationId);
  const { entered: migration, settled } = await waitFor(migrationId, ADMITTED, waiter, reading);
  if (settled !== undefined) return {};
  if (migration.slots === "held" || (await takeSlots(migration)) === "held") {
    await raise({ do: "happen", migrationId, signal: ADMITTED });
    return {};
  }
  await queueForSlots(migration);
  // A slot that came free before the migration stood in the queue woke nobody.
  if ((await takeSlots(migration)) === "held") {
    await raise({ do: "happen", migrationId, signal: ADMITTED });
  }
  return {};
});

async function readRunning(id: MigrationId): Promise<StoredMigration> {
  const migration = await readMigration(id);
  if (!isFinal(migration.status)) return migration;
  throw new StaleMigration(`Failed to admit ${id}: it is ${migration.status}`);
}
