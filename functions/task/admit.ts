import { z } from "zod";
import { HostClosed, StaleMigration } from "../../core/errors.ts";
import { MigrationId } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import { log } from "../runtime/log.ts";
import { task } from "../runtime/task.ts";
import { raise } from "../service/raise-signal.ts";
import { registerWait } from "../service/register-wait.ts";
import { startAgain } from "../service/start-migration.ts";
import { takeTurn } from "../service/take-turn.ts";
import { findMigration, readMigration, type StoredMigration } from "../store/migration-record.ts";
import { listHolders, queueForSlots } from "../store/slots.ts";

const AdmitInput = z.object({
  migrationId: MigrationId,
  /** Present: the migration waits for its turn. */
  taskToken: z.string().min(1).optional(),
});

/** The signal that a waiting migration was admitted. */
export const ADMITTED = "admitted";

/**
 * Workflow task for a migration whose hosts were full when it was requested: takes a slot on each and
 * memory on the target, or reports that they are still full. Called again with a token, the migration
 * waits for its turn; the function that releases slots wakes it.
 *
 * @throws StaleMigration when the migration has ended
 * @throws HostClosed when its target takes no guests any more
 */
export const handler = task(async (event): Promise<{ admitted: boolean }> => {
  const { migrationId, taskToken } = AdmitInput.parse(event);
  const migration = await readRunning(migrationId);
  if (taskToken !== undefined) return { admitted: await awaitTurn(migration, taskToken) };
  const admitted = await isAdmitted(migration);
  if (!admitted) await startHolders(migration);
  return { admitted };
});

/**
 * Starts holders of slots whose request died before their execution was started: they would never
 * release the slots. A failure to start one does not fail the migration that waits.
 */
async function startHolders(waiting: StoredMigration): Promise<void> {
  for (const id of await listHolders(waiting)) {
    const holder = await findMigration(id);
    if (holder === undefined) continue;
    await startAgain(holder).catch((cause: unknown) => {
      log().error({ err: cause, migrationId: id }, "failed to start an execution again");
    });
  }
}

async function awaitTurn(migration: StoredMigration, token: string): Promise<boolean> {
  const { id: migrationId } = migration;
  const waiter = { token, names: [ADMITTED], failOn: [], interruptible: true };
  const { settled } = await registerWait(migrationId, ADMITTED, waiter, Promise.resolve());
  if (settled !== undefined) return settled.ok;
  if (!(await isAdmitted(migration))) {
    await queueForSlots(migration);
    // A slot that was released before the migration was in the queue woke nothing.
    if (!(await isAdmitted(migration))) return false;
  }
  await raise({ do: "raise", migrationId, signal: ADMITTED });
  return true;
}

async function isAdmitted(migration: StoredMigration): Promise<boolean> {
  const turn = await takeTurn(migration);
  if (turn === "closed") {
    throw new HostClosed(`Failed to admit ${migration.id}: ${migration.target} takes no guests`);
  }
  return turn === "held";
}

async function readRunning(id: MigrationId): Promise<StoredMigration> {
  const migration = await readMigration(id);
  if (!isFinal(migration.status)) return migration;
  throw new StaleMigration(`Failed to admit ${id}: it is ${migration.status}`);
}
