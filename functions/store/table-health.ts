import { keys } from "./keys.ts";
import { expiresIn, getItem, updateIf } from "./table.ts";

const KEPT_SECONDS = 3_600;

export type TableFault = { part: "write" | "read"; error: unknown };

/** Writes one small item, which expires, and reads it. Undefined when both work. */
export async function findTableFault(): Promise<TableFault | undefined> {
  const nowMs = Date.now();
  try {
    // A check at the same time may have written a newer one: then the table has answered as well.
    await updateIf({
      key: keys.health(),
      update: "SET #atMs = :now, #ttl = :ttl",
      condition: "attribute_not_exists(#atMs) OR #atMs <= :now",
      values: { ":now": nowMs, ":ttl": expiresIn(KEPT_SECONDS) },
    });
  } catch (error) {
    return { part: "write", error };
  }
  try {
    if ((await getItem(keys.health())) !== undefined) return undefined;
    return { part: "read", error: new Error("what was written is not there") };
  } catch (error) {
    return { part: "read", error };
  }
}
