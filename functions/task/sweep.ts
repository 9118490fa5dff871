import type { HostId, MigrationId } from "../../core/id.ts";
import { alarmMessages } from "../runtime/alarm-messages.ts";
import { log } from "../runtime/log.ts";
import { task } from "../runtime/task.ts";
import { logReadings } from "../service/log-readings.ts";
import { type SweptEvacuation, sweepEvacuations } from "../service/sweep-evacuations.ts";
import { type Swept, sweepLostExecutions } from "../service/sweep-lost-executions.ts";
import { type SweptSchedule, sweepSchedules } from "../service/sweep-schedules.ts";
import { sweepSilentHosts } from "../service/sweep-silent-hosts.ts";
import { readSweepCursor, writeSweepCursor } from "../store/sweep-cursor.ts";
import { handler as endMigration } from "./end-migration.ts";

/** Pages of one sweep: the next one continues where it stopped. */
const PAGES_MAX = 10;
/** Silent hosts that a log line names. */
const NAMED_MAX = 100;

export type SweepOutput = {
  /** How many running migrations were examined. */
  examined: number;
  /** Migrations for which an execution was started. */
  restarted: MigrationId[];
  /** Migrations that ended `unknown`: their executions were lost again and again. */
  frozen: MigrationId[];
  /** Migrations that could not be examined; the log has the reason. */
  failed: MigrationId[];
  /** Migrations whose execution runs, and of which nothing was heard for long. */
  stalled: MigrationId[];
  /** There are more: the next sweep continues with them. */
  isContinued: boolean;
  /** Evacuations whose execution was started again, or that were ended. */
  evacuations: SweptEvacuation[];
  /** Schedules of which a start was not delivered. */
  schedules: SweptSchedule[];
  /** Active hosts that are not heard. */
  silent: HostId[];
  /** How many of them have become silent since the last sweep, and how many were heard again. */
  silenceChanges: number;
};

/**
 * Scheduled function: compares running migrations with their executions. For a migration whose
 * execution does not run, another one is started that observes both sides. Safe beside everything
 * else, and to be called again at any time.
 */
export const handler = task(async (): Promise<SweepOutput> => {
  const { outcomes, isContinued } = await sweepPages();
  const idsOf = (wanted: readonly string[]) =>
    outcomes.flatMap(({ id, outcome }) => (wanted.includes(outcome) ? [id] : []));
  const frozen = idsOf(["exhausted"]);
  for (const migrationId of frozen) await freeze(migrationId);
  const restarted = idsOf(["started", "observing"]);
  const failed = idsOf(["failed"]);
  const stalled = outcomes.flatMap(({ id, isStalled }) => (isStalled ? [id] : []));
  const evacuations = (await sweepEvacuations()).filter(({ outcome }) => outcome !== "fine");
  const schedules = (await sweepSchedules()).filter(({ outcome }) => outcome !== "fine");
  if (schedules.length > 0) log().warn({ schedules }, "starts of windows were made up for");
  if (restarted.length + frozen.length + failed.length + evacuations.length > 0) {
    log().warn({ restarted, frozen, failed, evacuations }, alarmMessages.lost);
  }
  if (stalled.length > 0) log().warn({ stalled }, alarmMessages.stalled);
  const { silent, changes: silenceChanges } = await sweepSilentHosts();
  if (silent.length > 0) log().warn({ silent: silent.slice(0, NAMED_MAX) }, alarmMessages.silent);
  await logReadings();
  return {
    examined: outcomes.length,
    restarted,
    frozen,
    failed,
    stalled,
    evacuations,
    schedules,
    silent,
    silenceChanges,
    isContinued,
  };
});

async function sweepPages(): Promise<{ outcomes: Swept[]; isContinued: boolean }> {
  const outcomes: Swept[] = [];
  const first = await readSweepCursor();
  let after = first;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const swept = await sweepLostExecutions(after);
    outcomes.push(...swept.outcomes);
    after = swept.next;
    if (after === undefined) break;
  }
  if (after !== first) await writeSweepCursor(after);
  return { outcomes, isContinued: after !== undefined };
}

/** Ends the migration `unknown`: an operator may reconcile the VM. */
async function freeze(migrationId: MigrationId): Promise<void> {
  const reason =
    "the executions of this migration were lost again and again, before anything was decided";
  await endMigration({ migrationId, action: "freeze", reason, error: "ExecutionLost", cause: "" });
}
