import type { MigrationId } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import { Problem } from "../http/problem.ts";
import { permit } from "../service/permit-switchover.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { migrationOrProblem } from "./timeline.ts";

/**
 * Gives leave to switch over to a migration that holds, or will. Asking again changes nothing.
 *
 * @throws Problem migration-not-found, migration-over, migration-cancelling, not-gated
 */
export async function permitSwitchover(id: MigrationId): Promise<StoredMigration> {
  const permitted = await permit(id, "operator");
  if (permitted !== undefined) return permitted;
  const migration = await migrationOrProblem(id);
  if (isFinal(migration.status)) {
    throw new Problem(409, "migration-over", `Migration ${id} is ${migration.status}`);
  }
  if (migration.cancelRequestedAt !== undefined) {
    throw new Problem(409, "migration-cancelling", `Migration ${id} is being cancelled`);
  }
  const detail = `Migration ${id} does not hold: it has no gate (policy.switchover.mode), or is not that far yet`;
  throw new Problem(409, "not-gated", detail);
}
