import { z } from "zod";
import { StaleMigration } from "../../core/errors.ts";
import { MigrationId } from "../../core/id.ts";
import { type Failure, isFinal, type MigrationStatus } from "../../core/migration/migration.ts";
import { task } from "../runtime/task.ts";
import { admitWaiting } from "../service/admit-waiting.ts";
import { succeed } from "../service/start-successor.ts";
import { endNotCompleted } from "../store/endings.ts";
import { readMigration, type StoredMigration } from "../store/migrations.ts";
import { recordEnded } from "../store/vms.ts";
import { endingOf } from "./ending.ts";

const ReleaseInput = z.object({
  migrationId: MigrationId,
  action: z.enum(["end", "lost", "freeze"]),
  reason: z.string(),
  /** ASL's error name and cause of the first failure. */
  error: z.string().default("MigrationFailed"),
  cause: z.string().default(""),
});

export type ReleaseOutput = { status: MigrationStatus; code: string; message: string };

/** An admission may come in between reading and writing; nothing else can. */
const TRIES = 3;

/**
 * Workflow task: writes the end of a migration that did not complete, gives slots and lock back
 * (the lock stays when nobody knows where the guest runs), and lets in who waited.
 *
 * @throws StaleMigration when the migration does not exist
 */
export const handler = task(async (event): Promise<ReleaseOutput> => {
  const input = ReleaseInput.parse(event);
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const migration = await readMigration(input.migrationId);
    const over = isFinal(migration.status);
    const ending = endingOf(migration, input);
    if (!over && !(await endNotCompleted(migration, ending))) continue;
    await recordLoss(input.migrationId);
    await admitWaiting([migration.source, migration.target]);
    if (input.action === "end") await succeed(migration);
    return over ? output(migration.status, migration) : output(ending.status, ending);
  }
  throw new StaleMigration(`Failed to write the end of ${input.migrationId}: it keeps changing`);
});

/** The source's process may have ended while the end was written. */
async function recordLoss(id: MigrationId): Promise<void> {
  const { vm, source, sourceExited: detail } = await readMigration(id);
  if (detail !== undefined) await recordEnded(vm, source, { state: "failed", detail });
}

function output(
  status: MigrationStatus,
  { failure }: { failure?: Failure | undefined } | StoredMigration,
): ReleaseOutput {
  return { status, code: failure?.code ?? "", message: failure?.message ?? "" };
}
