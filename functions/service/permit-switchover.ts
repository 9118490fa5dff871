import { CommandId, type MigrationId } from "../../core/id.ts";
import type { Gate } from "../../core/migration/migration.ts";
import { recordPermit } from "../store/migration-progress.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";
import { joinGroup, removeMembers } from "../store/switchover-groups.ts";
import { dispatch } from "./dispatch-command.ts";

/** The attempt in a command's id has at most four digits; the last one is sent again and again. */
const PERMITS_MAX = 9_999;

/**
 * Permits switchover. The permit is written into the record, so that a source that starts later does
 * not hold at all, and is sent to the source's agent. Called again, it is sent again. Undefined when
 * the migration has ended, is being cancelled, or has no gate.
 */
export async function permit(
  id: MigrationId,
  by: NonNullable<Gate["permittedBy"]>,
): Promise<StoredMigration | undefined> {
  const migration = await recordPermit(id, by);
  if (migration === undefined) return undefined;
  await dispatch({
    id: CommandId.parse(`${id}.permit.${Math.min(migration.permits ?? 1, PERMITS_MAX)}`),
    host: migration.source,
    queueUrl: migration.queueUrls.source,
    vm: migration.vm,
    migrationId: id,
    epoch: migration.epoch,
    verb: "source.permit",
    args: {},
  });
  return migration;
}

/**
 * Called when a source reports that it is holding. If switchover was already permitted, the permit
 * overtook `source.start`: it is sent again. If it was the last of its group to hold, the whole group
 * is permitted.
 */
export async function permitHeldSource(id: MigrationId): Promise<void> {
  const { policy, gate } = await readMigration(id);
  const { group } = policy.switchover;
  if (gate?.permittedBy !== undefined) {
    await permit(id, gate.permittedBy);
    if (group !== undefined) await removeMembers(group.name, [id]);
    return;
  }
  if (group === undefined) return;
  const ready = await joinGroup(group.name, id);
  if (ready.length < group.size) return;
  await Promise.all(ready.map((member) => permit(member, "group")));
  await removeMembers(group.name, ready);
}
