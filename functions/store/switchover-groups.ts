import { MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, updateIf, updateItem } from "./table.ts";

/** Adds a ready member and returns all ready members. Joining again changes nothing. */
export async function joinGroup(name: string, member: MigrationId): Promise<MigrationId[]> {
  const item = await updateItem({
    key: keys.group(name),
    update: "ADD #ready :member SET #ttl = :ttl",
    values: { ":member": new Set([member]), ":ttl": expiresIn(keptSeconds.switchoverGroup) },
  });
  const ready = item?.ready;
  return ready instanceof Set ? [...ready].map((id) => MigrationId.parse(id)) : [];
}

/**
 * Removes members that were permitted or have ended: nobody waits for them, and the next ones that use
 * the name begin with none. Idempotent.
 */
export async function removeMembers(name: string, members: readonly MigrationId[]): Promise<void> {
  await updateIf({
    key: keys.group(name),
    update: "DELETE #ready :members",
    condition: "attribute_exists(pk)",
    values: { ":members": new Set(members) },
  });
}
