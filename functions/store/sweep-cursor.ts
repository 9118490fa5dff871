import * as z from "zod";
import { MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { deleteItem, getItem, putItem } from "./table.ts";

const SweepCursor = z.object({ after: MigrationId });

/** The migration after which the next sweep begins; undefined: at the newest one. */
export async function readSweepCursor(): Promise<MigrationId | undefined> {
  const item = await getItem(keys.sweep());
  return item === undefined ? undefined : SweepCursor.parse(item).after;
}

/** Of two sweeps at once, the last one counts: migrations may be swept twice. */
export async function writeSweepCursor(after: MigrationId | undefined): Promise<void> {
  if (after === undefined) await deleteItem(keys.sweep());
  else await putItem({ ...keys.sweep(), after });
}
