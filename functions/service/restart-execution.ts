import { reopenLost } from "../store/lost-execution.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";
import { type ExecutionState, newestExecution, startExecution } from "./executions.ts";

/**
 * Step Functions may not know an execution yet that was just started, and the process that has
 * written the record may not have started it yet.
 */
const START_MS_MAX = 60_000;

export type Restart =
  /** Its execution runs, or is about to be started: nothing was done. */
  | "running"
  /** It had never begun: it was started from its beginning. */
  | "started"
  /** Another execution observes both sides. */
  | "observing"
  /** It has ended, or another caller was first. */
  | "changed";

/**
 * Starts another execution for a migration whose record is `running` and whose execution is not. It
 * observes both sides from the next turn on. Of two callers at once, one starts it.
 *
 * @throws the error of Step Functions, TableBusy
 */
export async function restartExecution(migration: StoredMigration): Promise<Restart> {
  if (migration.status !== "running") return "changed";
  const state = await newestExecution(migration);
  if (state === "running") return "running";
  if (state === "absent" && isFresh(migration)) return "running";
  if (state === "absent" && migration.phase === "admit") {
    await startExecution(migration);
    return "started";
  }
  const turn = await reopenLost(migration, reasonOf(state));
  if (turn === undefined) return "changed";
  await startExecution(await readMigration(migration.id), { turn, isLost: true });
  return "observing";
}

/** Whether the newest execution of a migration may be on its way still. */
export function isFresh({ createdAt, decisions, phases }: StoredMigration): boolean {
  const begun = [createdAt, decisions.at(-1)?.at, phases.at(-1)?.startedAt];
  const newestMs = Math.max(...begun.map((at) => (at === undefined ? 0 : Date.parse(at))));
  return Date.now() - newestMs < START_MS_MAX;
}

function reasonOf(state: Exclude<ExecutionState, "running">): string {
  return state === "ended"
    ? "the execution ended without recording an end"
    : "Step Functions does not know the execution";
}
