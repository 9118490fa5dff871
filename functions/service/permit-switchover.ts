import { CommandId, type MigrationId } from "../../core/id.ts";
import type { Gate } from "../../core/migration/migration.ts";
import { joinGroup } from "../store/groups.ts";
import { readMigration, recordPermit, type StoredMigration } from "../store/migrations.ts";
import { dispatch } from "./dispatch-command.ts";

/**
 * Gives leave to switch over: written into the record, so that a source that has not started yet
 * does not hold at all, and sent straight to the source's agent. Given again it is sent again.
 * Undefined when the migration is over, being cancelled, or has no gate.
 */
export async function permit(
  id: MigrationId,
  by: NonNullable<Gate["permittedBy"]>,
): Promise<StoredMigration | undefined> {
  const migration = await recordPermit(id, by);
  if (migration === undefined) return undefined;
  await dispatch({
    id: CommandId.parse(`${id}.release.${migration.permits ?? 1}`),
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
 * A migration holds. One that has leave was told to before it got it: the start was under way. Of
 * a group, when it was the last to hold, all get leave together.
 */
export async function permitHeld(id: MigrationId): Promise<void> {
  const { policy, gate } = await readMigration(id);
  if (gate?.permittedBy !== undefined) {
    await permit(id, gate.permittedBy);
    return;
  }
  const { group } = policy.switchover;
  if (group === undefined) return;
  const ready = await joinGroup(group.name, id);
  if (ready.length < group.size) return;
  await Promise.all(ready.map((member) => permit(member, "group")));
}
