import { CommandId, type MigrationId } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import { Problem } from "../http/problem.ts";
import { dispatch } from "../service/dispatch-command.ts";
import { recordBandwidth } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { migrationOrProblem } from "./timeline.ts";

/**
 * Another bandwidth limit for a migration that sends, straight to the source's agent. Each change has
 * a revision, so that two that overtake each other in the queue end with the newer one.
 *
 * @throws Problem migration-not-found, migration-over, migration-not-started, migration-cancelling,
 *   migration-switching-over, too-many-changes
 */
export async function limitBandwidth(
  id: MigrationId,
  maxBandwidthBytesPerSecond: number,
): Promise<StoredMigration> {
  const migration = await recordBandwidth(id, maxBandwidthBytesPerSecond);
  if (migration === undefined) throw refusal(await migrationOrProblem(id));
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

function refusal({ id, status, startedAtMs, stoppedAtMs, ...rest }: StoredMigration): Problem {
  const problem = (code: string, why: string) => new Problem(409, code, `Migration ${id} ${why}`);
  if (isFinal(status)) return problem("migration-over", `is ${status}`);
  if (startedAtMs === undefined) {
    return problem("migration-not-started", "sends nothing yet: give the limit in its policy");
  }
  if (rest.cancelRequestedAt !== undefined)
    return problem("migration-cancelling", "is being cancelled");
  if (stoppedAtMs !== undefined) {
    return problem("migration-switching-over", "has stopped its guest: that part is not limited");
  }
  return problem("too-many-changes", "has had its limit changed too often");
}
