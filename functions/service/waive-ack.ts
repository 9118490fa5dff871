import type { MigrationId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { recordFailure } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { decideSuccessor } from "./decide-successor.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { raise } from "./raise-signal.ts";
import { requireMigration, requireRunning } from "./require-migration.ts";

/**
 * Ends the wait for the ACK on an operator's request: the migration goes its way back, the guest keeps
 * running on the source, and a successor migrates it without the ACK.
 *
 * @throws Problem migration-not-found, migration-over, not-waiting-for-ack, workflow-unavailable
 */
export async function waiveAck(id: MigrationId): Promise<StoredMigration> {
  const migration = await requireMigration(id);
  requireRunning(migration);
  if (migration.phase !== "await-ack") {
    const detail = `Migration ${id} is in ${migration.phase}: it does not wait for an ACK`;
    throw new Problem("not-waiting-for-ack", detail);
  }
  const decided = await decideSuccessor(migration, "in-any-case");
  const detail = `an operator waived the switchover ACK; ${decided}`;
  await recordFailure(id, {
    code: "ack-waived",
    message: detail,
    state: `the guest runs on ${migration.source}`,
    cure: "none needed: see the successor",
    phase: "await-ack",
  });
  await orUnavailable("workflow-unavailable", () =>
    raise({ do: "interrupt", migrationId: id, reason: "waived", detail }),
  );
  return migration;
}
