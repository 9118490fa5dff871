import { CommandId, type MigrationId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import type { ProblemCode } from "../http/problem-codes.ts";
import { BANDWIDTH_CHANGES_MAX, recordBandwidth } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { dispatch } from "./dispatch-command.ts";
import { requireMigration, requireRunning } from "./require-migration.ts";

/**
 * Sends a new bandwidth limit straight to the source's agent. Each change has a revision: when two
 * overtake each other in the queue, the agent keeps the newer one.
 *
 * @throws Problem migration-not-found, migration-over, migration-not-started, migration-cancelling,
 *   migration-switching-over, too-many-changes, host-unreachable
 */
export async function limitBandwidth(
  id: MigrationId,
  maxBandwidthBytesPerSecond: number,
): Promise<StoredMigration> {
  const migration = await recordBandwidth(id, maxBandwidthBytesPerSecond);
  if (migration === undefined) throw refusal(await requireMigration(id));
  const { bandwidthRevision: revision = 1 } = migration;
  await dispatch({
    id: CommandId.parse(`${id}.set.${revision}`),
    host: migration.source,
    queueUrl: migration.queueUrls.source,
    vm: migration.vm,
    migrationId: id,
    epoch: migration.epoch,
    verb: "source.set",
    args: { maxBandwidthBytesPerSecond, revision },
  });
  return migration;
}

function refusal(migration: StoredMigration): Problem {
  const problem = (code: ProblemCode, why: string) =>
    new Problem(code, `Migration ${migration.id} ${why}`);
  requireRunning(migration);
  if (migration.startedAtMs === undefined) {
    return problem("migration-not-started", "sends nothing yet: set the limit in its policy");
  }
  if (migration.cancelRequestedAt !== undefined) {
    return problem("migration-cancelling", "is being cancelled");
  }
  if (migration.stoppedAtMs !== undefined) {
    return problem("migration-switching-over", "has stopped its guest: the limit ends there");
  }
  const often = `has had its limit changed ${BANDWIDTH_CHANGES_MAX} times, as often as it may be`;
  return problem("too-many-changes", `${often}: it keeps the last one`);
}
