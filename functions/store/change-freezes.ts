import * as z from "zod";
import { ChangeFreezeId } from "../../core/id.ts";
import { ChangeFreeze } from "../../core/schedule/change-freeze.ts";
import { keys } from "./keys.ts";
import { getItem, updateIf } from "./table.ts";

const StoredFreeze = z.object({ id: ChangeFreezeId, ...ChangeFreeze.shape });
export type StoredFreeze = z.infer<typeof StoredFreeze>;

/** One item: whoever reads it sees the whole calendar at one moment. */
const Calendar = z.object({
  freezes: z.array(StoredFreeze).default([]),
  revision: z.int().nonnegative().default(0),
});
export type Calendar = z.infer<typeof Calendar>;

export async function readCalendar(): Promise<Calendar> {
  return Calendar.parse((await getItem(keys.changeFreezes())) ?? {});
}

/** False when somebody else has changed it since it was read. */
export async function writeCalendar(
  { revision }: Pick<Calendar, "revision">,
  freezes: readonly StoredFreeze[],
): Promise<boolean> {
  return updateIf({
    key: keys.changeFreezes(),
    update: "SET #freezes = :freezes, #revision = :next",
    condition: "attribute_not_exists(#revision) OR #revision = :revision",
    values: { ":freezes": freezes, ":next": revision + 1, ":revision": revision },
  });
}
