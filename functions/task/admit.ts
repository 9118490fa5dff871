import { z } from "zod";
import { StaleMigration } from "../../core/errors.ts";
import { MigrationId } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import { log } from "../runtime/log.ts";
import { task } from "../runtime/task.ts";
import { raise } from "../service/raise-signal.ts";
import { waitFor } from "../service/register-wait.ts";
import { startAgain } from "../service/start-migration.ts";
import { findMigration, readMigration, type StoredMigration } from "../store/migrations.ts";
import { listHolders, queueForSlots, takeSlots } from "../store/slots.ts";

const AdmitInput = z.object({
  migrationId: MigrationId,
  /** Of a migration that waits its turn. */
  taskToken: z.string().min(1).optional(),
});

/** The signal that a migration's turn has come. */
export const ADMITTED = "admitted";

/**
 * Workflow task for a migration that found its hosts full when it was requested: takes a slot on each
 * and memory on the target. When they are full still it says so; called again with a token the
 * migration waits its turn, and whoever gives slots back wakes it.
 *
 * @throws StaleMigration when the migration is over
 */
export const handler = task(async (event): Promise<{ admitted: boolean }> => {
  const { migrationId, taskToken } = AdmitInput.parse(event);
  const migration = await readRunning(migrationId);
  if (taskToken !== undefined) return { admitted: await awaitTurn(migration, taskToken) };
  const admitted = migration.slots === "held" || (await takeSlots(migration)) === "held";
  if (!admitted) await startHolders(migration);
  return { admitted };
});

/**
 * A holder whose request died before its execution was started would never give its slot back. That
 * it cannot be started is no reason for the one that waits to fail.
 */
async function startHolders(waiting: StoredMigration): Promise<void> {
  for (const id of await listHolders(waiting)) {
    const holder = await findMigration(id);
    if (holder === undefined) continue;
    await startAgain(holder).catch((cause: unknown) => {
      log().error({ err: cause, migration: id }, "failed to start an execution again");
    });
  }
}

async function awaitTurn(migration: StoredMigration, token: string): Promise<boolean> {
  const { id: migrationId } = migration;
  const waiter = { token, names: [ADMITTED], failOn: [], interruptible: true };
  const { settled } = await waitFor(migrationId, ADMITTED, waiter, Promise.resolve());
  if (settled !== undefined) return settled.ok;
  if (migration.slots !== "held" && (await takeSlots(migration)) !== "held") {
    await queueForSlots(migration);
    // A slot that came free before the migration stood in the queue woke nobody.
    if ((await takeSlots(migration)) !== "held") return false;
  }
  await raise({ do: "happen", migrationId, signal: ADMITTED });
  return true;
}

async function readRunning(id: MigrationId): Promise<StoredMigration> {
  const migration = await readMigration(id);
  if (!isFinal(migration.status)) return migration;
  throw new StaleMigration(`Failed to admit ${id}: it is ${migration.status}`);
}
