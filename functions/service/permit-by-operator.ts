import type { MigrationId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { permit } from "./permit-switchover.ts";
import { requireMigration, requireRunning } from "./require-migration.ts";

/**
 * Permits the switchover of a migration that holds, or will hold. A repeated request changes nothing.
 *
 * @throws Problem migration-not-found, migration-over, migration-cancelling, not-gated,
 *   host-unreachable
 */
export async function permitByOperator(id: MigrationId): Promise<StoredMigration> {
  const permitted = await permit(id, "operator");
  if (permitted !== undefined) return permitted;
  const migration = await requireMigration(id);
  requireRunning(migration);
  if (migration.cancelRequestedAt !== undefined) {
    throw new Problem("migration-cancelling", `Migration ${id} is being cancelled`);
  }
  const detail =
    `Migration ${id} does not hold: it has no gate (policy.switchover.mode), ` +
    "or has not been negotiated yet";
  throw new Problem("not-gated", detail);
}
