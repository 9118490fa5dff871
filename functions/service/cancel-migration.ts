import type { MigrationId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { requestCancel } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { raise } from "./raise-signal.ts";
import { requireMigration, requireRunning } from "./require-migration.ts";

/**
 * Requests the way back. A repeated request changes nothing.
 *
 * @throws Problem migration-not-found, migration-over, past-point-of-no-return,
 *   workflow-unavailable
 */
export async function cancelMigration(id: MigrationId): Promise<StoredMigration> {
  const cancelling = await requestCancel(id);
  if (cancelling === undefined) throw await refusal(id);
  await orUnavailable("workflow-unavailable", () =>
    raise({
      do: "interrupt",
      migrationId: id,
      reason: "cancelled",
      detail: "an operator asked for it",
    }),
  );
  return cancelling;
}

async function refusal(id: MigrationId): Promise<Problem> {
  requireRunning(await requireMigration(id));
  const detail = `The guest of ${id} has stopped on the source: it cannot be cancelled any more`;
  return new Problem("past-point-of-no-return", detail);
}
