import * as z from "zod";
import { StaleMigration } from "../../core/errors.ts";
import { MigrationId } from "../../core/id.ts";
import { type Failure, isFinal, type MigrationStatus } from "../../core/migration/migration.ts";
import { alarmMessages } from "../runtime/alarm-messages.ts";
import { log } from "../runtime/log.ts";
import { task } from "../runtime/task.ts";
import { admitWaiting, freedBy, tidyLane } from "../service/admit-waiting.ts";
import { countMigration } from "../service/count-migration.ts";
import { discardSource } from "../service/discard-source.ts";
import { recordMoveEnd } from "../service/end-move.ts";
import { learnFromMigration } from "../service/learn-from-migration.ts";
import { startSuccessor } from "../service/start-successor.ts";
import { byInvocation } from "../service/wake-by-invocation.ts";
import { wakeEvacuation } from "../service/wake-evacuation.ts";
import { endNotCompleted, expireWithRecord } from "../store/migration-ending.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";
import { recordEnded } from "../store/vms.ts";
import { endingOf } from "./ending.ts";

/** Whatever comes becomes a text of bounded length: the end must be written, whatever the workflow caught. */
const text = (missing: string, lengthMax: number) =>
  z
    .unknown()
    .optional()
    .transform((value): string => {
      if (value === undefined || value === null || value === "") return missing;
      const written = typeof value === "string" ? value : (JSON.stringify(value) ?? missing);
      return written.slice(0, lengthMax);
    });

const EndInput = z.object({
  migrationId: MigrationId,
  /** An action that nobody knows touches nothing. */
  action: z.enum(["end", "lost", "freeze"]).catch("freeze"),
  reason: text("the workflow gave no reason", 4_000),
  /** Error name and cause of the first failure, as in ASL. */
  error: text("MigrationFailed", 200),
  cause: text("", 8_000),
});

export type EndOutput = { status: MigrationStatus; code: string; message: string };

/** An admission or an event of the source can change the record between reading and writing it. */
const ATTEMPTS_MAX = 3;

/**
 * Workflow task: writes the end of a migration that did not complete, releases slots and lock (all is
 * kept when it is unknown where the guest runs), and admits migrations that waited. A source
 * that has completed may be left of a lost guest: its process would stand in the way of a new start.
 *
 * @throws StaleMigration when the migration does not exist
 */
export const handler = task(async (event): Promise<EndOutput> => {
  const input = EndInput.parse(event);
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const migration = await readMigration(input.migrationId);
    const hasEnded = isFinal(migration.status);
    const ending = endingOf(migration, input);
    if (!hasEnded && !(await endNotCompleted(migration, ending))) continue;
    if (input.action === "freeze") {
      log().error({ migrationId: migration.id, vm: migration.vm }, alarmMessages.unknown);
    }
    const ended = await readMigration(input.migrationId);
    await Promise.all([recordSourceExit(ended), countMigration(ended)]);
    if (input.action !== "freeze") await expireWithRecord(migration);
    if (migration.slots !== "held") await tidyLane(migration);
    await admitWaiting({ ...freedBy(migration), makesRoom: true }, byInvocation);
    await learnFromMigration(migration);
    const mayBeLeft = input.action === "lost" && migration.sourceExit === undefined;
    if (mayBeLeft) await discardSource(migration);
    if (input.action === "end") await startSuccessor(migration);
    const evacuation = await recordMoveEnd(await readMigration(input.migrationId));
    if (evacuation !== undefined) {
      await wakeEvacuation(evacuation, [migration.source, migration.target]);
    }
    return hasEnded ? output(migration.status, migration) : output(ending.status, ending);
  }
  throw new StaleMigration(`Failed to write the end of ${input.migrationId}: it keeps changing`);
});

/** Records the exit of a source process that ended while the end was written. */
async function recordSourceExit({ vm, source, sourceExit }: StoredMigration): Promise<void> {
  if (sourceExit !== undefined) await recordEnded(vm, source, sourceExit);
}

function output(
  status: MigrationStatus,
  { failure }: { failure?: Failure | undefined } | StoredMigration,
): EndOutput {
  return { status, code: failure?.code ?? "", message: failure?.message ?? "" };
}
