import { MigrationId } from "../../core/id.ts";
import { log } from "../runtime/log.ts";
import { countLost, listRunning, reopenLost } from "../store/lost-execution.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import { newestExecution } from "./executions.ts";
import { type Restart, restartExecution } from "./restart-execution.ts";

/** Migrations of one sweep: each costs a read and a DescribeExecution. */
const PAGE_MAX = 100;
/** Executions examined at the same time. */
const TOGETHER_MAX = 10;
/** Executions that may be lost one after the other before a person is called. */
const LOST_MAX = 5;

/** Running migrations report figures every few seconds; only an admission waits in silence. */
const SILENT_MS_MAX = 600_000;

export type Swept = {
  id: MigrationId;
  outcome: Restart | "exhausted" | "failed";
  /** Nothing has changed its record for long. */
  isStalled?: boolean;
};

/**
 * Finds migrations whose record is `running` and whose execution is not, and starts another execution
 * for each. One that fails does not hold up the others.
 *
 * @param after the cursor of the page before
 */
export async function sweepLostExecutions(
  after: MigrationId | undefined,
): Promise<{ outcomes: Swept[]; next?: MigrationId }> {
  const { items, next } = await listRunning({ limit: PAGE_MAX, after });
  const outcomes: Swept[] = [];
  for (let place = 0; place < items.length; place += TOGETHER_MAX) {
    outcomes.push(...(await Promise.all(items.slice(place, place + TOGETHER_MAX).map(sweep))));
  }
  return { outcomes, ...(next === undefined ? {} : { next: MigrationId.parse(next) }) };
}

async function sweep(id: MigrationId): Promise<Swept> {
  try {
    const migration = await findMigration(id);
    if (migration === undefined) return { id, outcome: "changed" };
    if (countLost(migration) >= LOST_MAX && (await newestExecution(migration)) !== "running") {
      // Uses up the turn of the lost execution: an operator's request takes the next one.
      const turn = await reopenLost(migration, "executions were lost again and again");
      return { id, outcome: turn === undefined ? "changed" : "exhausted" };
    }
    return { id, outcome: await restartExecution(migration), isStalled: isStalled(migration) };
  } catch (error) {
    log().error({ err: error, migrationId: id }, "failed to restart an execution");
    return { id, outcome: "failed" };
  }
}

function isStalled({ status, phase, updatedAt }: StoredMigration): boolean {
  if (status !== "running" || phase === "admit") return false;
  return Date.now() - Date.parse(updatedAt) > SILENT_MS_MAX;
}
