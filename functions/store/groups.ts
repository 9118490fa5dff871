import { MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { expiresIn, updateItem } from "./table.ts";

/** A group is made for one switchover; its row may go after a month. */
const KEPT_SECONDS = 30 * 86_400;

/** Adds a member that is ready; returns all that are. Joining again changes nothing. */
export async function joinGroup(name: string, member: MigrationId): Promise<MigrationId[]> {
  const item = await updateItem({
    key: keys.group(name),
    update: "ADD #ready :member SET #ttl = :ttl",
    values: { ":member": new Set([member]), ":ttl": expiresIn(KEPT_SECONDS) },
  });
  const ready = item?.ready;
  return ready instanceof Set ? [...ready].map((id) => MigrationId.parse(id)) : [];
}
