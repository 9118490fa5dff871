import * as z from "zod";
import { RetryableError, StaleMigration } from "../../core/errors.ts";
import { MigrationId } from "../../core/id.ts";
import { alarmMessages } from "../runtime/alarm-messages.ts";
import { log } from "../runtime/log.ts";
import { task } from "../runtime/task.ts";
import { admitWaiting, freedBy } from "../service/admit-waiting.ts";
import { countMigration } from "../service/count-migration.ts";
import { discardSource } from "../service/discard-source.ts";
import { recordMoveEnd } from "../service/end-move.ts";
import { learnFromMigration } from "../service/learn-from-migration.ts";
import { byInvocation } from "../service/wake-by-invocation.ts";
import { endCompleted, expireWithRecord } from "../store/migration-ending.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";
import { recordEnded } from "../store/vms.ts";
import { exitAtTarget, guestAtTarget } from "./settled-guest.ts";

const CompleteInput = z.object({ migrationId: MigrationId });

/** An admission or an event of the target can change the record between reading and writing it. */
const ATTEMPTS_MAX = 3;

/**
 * Workflow task for a guest that was seen on the target: writes the end, releases the lock and the
 * slots, and admits migrations that waited for them. It sends the source's `source.discard` as well:
 * an execution that is stopped here must not leave the finished process.
 *
 * @throws StaleMigration when the migration has ended in another way
 * @throws RetryableError when nothing in the record shows that the guest has arrived
 */
export const handler = task(async (event): Promise<{ status: "completed" }> => {
  const { migrationId } = CompleteInput.parse(event);
  const migration = await writeEnd(migrationId);
  const ended = await readMigration(migrationId);
  const [evacuation] = await Promise.all([
    recordMoveEnd(ended),
    discardSource(migration),
    recordOutcome(ended),
  ]);
  // Last: its evacuation is woken once, by the move's end and by what was released.
  // The source of an evacuation's move takes no guests.
  const makesRoom = migration.evacuation === undefined;
  await admitWaiting({ ...freedBy(migration), makesRoom, evacuation }, byInvocation);
  return { status: "completed" };
});

async function writeEnd(id: MigrationId): Promise<StoredMigration> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const migration = await readMigration(id);
    const { status } = migration;
    if (status === "completed") return migration;
    if (status !== "running") throw new StaleMigration(`Failed to complete ${id}: it is ${status}`);
    requireArrival(migration);
    if (await endCompleted(migration, guestAtTarget(migration))) return migration;
  }
  throw new RetryableError(`Failed to complete ${id}: its record keeps changing`);
}

/** Permission to run is not running: the target's agent must have seen the guest. */
function requireArrival({ id, target, arrivedAs, decisions }: StoredMigration): void {
  if (arrivedAs !== undefined || decisions.at(-1)?.action === "complete") return;
  throw new RetryableError(
    `Failed to complete ${id}: ${target} has not reported the guest's arrival, and no decision of the way back replaces it`,
  );
}

/**
 * Learns from the migration, counts it, records the exit of a target that ended since, and lets the record's parts
 * expire. Idempotent.
 */
async function recordOutcome(migration: StoredMigration): Promise<void> {
  const { vm, target } = migration;
  const exit = exitAtTarget(migration);
  logExcess(migration);
  await Promise.all([
    learnFromMigration(migration),
    exit === undefined ? undefined : recordEnded(vm, target, exit),
    expireWithRecord(migration),
    countMigration(migration),
  ]);
}

function logExcess({ id, vm, policy, figures }: StoredMigration): void {
  const { downtimeBudgetMs } = policy;
  const { downtimeMs } = figures ?? {};
  if (downtimeBudgetMs === undefined || downtimeMs === undefined) return;
  if (downtimeMs <= downtimeBudgetMs) return;
  log().warn({ migrationId: id, vm, downtimeMs, downtimeBudgetMs }, alarmMessages.overBudget);
}
