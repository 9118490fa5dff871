import { z } from "zod";
import { MigrationId } from "../../core/id.ts";
import { log } from "../runtime/log.ts";
import { task } from "../runtime/task.ts";
import { type SweptEvacuation, sweepEvacuations } from "../service/sweep-evacuations.ts";
import { sweepLostExecutions } from "../service/sweep-lost-executions.ts";
import { handler as endMigration } from "./end-migration.ts";

const SweepInput = z.object({
  /** `next` of the sweep before: the page after it. */
  after: MigrationId.optional(),
});

export type SweepOutput = {
  /** How many running migrations were examined. */
  examined: number;
  /** Migrations for which an execution was started. */
  restarted: MigrationId[];
  /** Migrations that ended `unknown`: their executions were lost again and again. */
  frozen: MigrationId[];
  /** Migrations that could not be examined; the log has the reason. */
  failed: MigrationId[];
  /** Evacuations whose execution was started again, or that were ended; on the first page only. */
  evacuations: SweptEvacuation[];
  /** Present when there are more. */
  next?: MigrationId;
};

/**
 * Scheduled function: one page of the running migrations is compared with their executions. For a
 * migration whose execution does not run, another one is started that observes both sides. Safe
 * beside everything else, and to be called again at any time.
 */
export const handler = task(async (event): Promise<SweepOutput> => {
  const { after } = SweepInput.parse(event ?? {});
  const { outcomes, next } = await sweepLostExecutions(after);
  const idsOf = (wanted: readonly string[]) =>
    outcomes.flatMap(({ id, outcome }) => (wanted.includes(outcome) ? [id] : []));
  const frozen = idsOf(["exhausted"]);
  for (const migrationId of frozen) await freeze(migrationId);
  const swept = after === undefined ? await sweepEvacuations() : [];
  const found = {
    examined: outcomes.length,
    restarted: idsOf(["started", "observing"]),
    frozen,
    failed: idsOf(["failed"]),
    evacuations: swept.filter(({ outcome }) => outcome !== "fine"),
  };
  const { restarted, failed, evacuations } = found;
  const isNoteworthy = restarted.length + frozen.length + failed.length + evacuations.length > 0;
  if (isNoteworthy) log().warn(found, "the sweep found migrations without an execution");
  return { ...found, ...(next === undefined ? {} : { next: MigrationId.parse(next) }) };
});

/** Ends the migration `unknown`: an operator may reconcile the VM. */
async function freeze(migrationId: MigrationId): Promise<void> {
  const reason =
    "the executions of this migration were lost again and again, before anything was decided";
  await endMigration({ migrationId, action: "freeze", reason, error: "ExecutionLost", cause: "" });
}
