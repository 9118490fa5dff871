import type { MigrationId } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import { Problem } from "../http/problem.ts";
import { decideSuccessor } from "../service/decide-successor.ts";
import { raise } from "../service/raise-signal.ts";
import { recordFailure } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { migrationOrProblem } from "./timeline.ts";

/**
 * A person will not wait for the ACK any longer: the migration is taken back, the guest running where
 * it is, and a successor goes without the ACK.
 *
 * @throws Problem migration-not-found, migration-over, not-waiting-for-ack
 */
export async function waiveAck(id: MigrationId): Promise<StoredMigration> {
  const migration = await migrationOrProblem(id);
  if (isFinal(migration.status)) {
    throw new Problem(409, "migration-over", `Migration ${id} is ${migration.status}`);
  }
  if (migration.phase !== "await-ack") {
    const detail = `Migration ${id} is in ${migration.phase}: it does not wait for an ACK`;
    throw new Problem(409, "not-waiting-for-ack", detail);
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
  await raise({ do: "interrupt", migrationId: id, reason: "waived", detail });
  return migration;
}
