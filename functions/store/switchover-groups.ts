import { MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { expiresIn, updateItem } from "./table.ts";

/** A group serves one switchover; its row may be removed after a month. */
const KEPT_SECONDS = 30 * 86_400;

/** Adds a ready member and returns all ready members. Joining again changes nothing. */
export async function joinGroup(name: string, member: MigrationId): Promise<MigrationId[]> {
  const item = await updateItem({
    key: keys.group(name),
    update: "ADD #ready :member SET #ttl = :ttl",
    values: { ":member": new Set([member]), ":ttl": expiresIn(KEPT_SECONDS) },
  });
  const ready = item?.ready;
  return ready instanceof Set ? [...ready].map((id) => MigrationId.parse(id)) : [];
}
