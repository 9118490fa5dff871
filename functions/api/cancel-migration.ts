import type { MigrationId } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import { Problem } from "../http/problem.ts";
import { raise } from "../service/raise-signal.ts";
import { requestCancel } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { migrationOrProblem } from "./timeline.ts";

/**
 * Asks for the way back. Asking again changes nothing.
 *
 * @throws Problem migration-not-found, migration-over, past-point-of-no-return
 */
export async function cancelMigration(id: MigrationId): Promise<StoredMigration> {
  const cancelling = await requestCancel(id);
  if (cancelling === undefined) throw await refusal(id);
  await raise({
    do: "interrupt",
    migrationId: id,
    reason: "cancelled",
    detail: "an operator asked for it",
  });
  return cancelling;
}

async function refusal(id: MigrationId): Promise<Problem> {
  const { status } = await migrationOrProblem(id);
  if (isFinal(status)) return new Problem(409, "migration-over", `Migration ${id} is ${status}`);
  const detail = `The guest of ${id} has stopped on the source: there is no way back from here`;
  return new Problem(409, "past-point-of-no-return", detail);
}
