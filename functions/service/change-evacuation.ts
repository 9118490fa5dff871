import { TableBusy } from "../../core/errors.ts";
import { type Action, type Decided, decide, type Life } from "../../core/evacuation/life.ts";
import type { EvacuationId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import {
  changeEvacuation,
  findEvacuation,
  lifeFields,
  type StoredEvacuation,
} from "../store/evacuations.ts";

/** Moves that start and end change the record, too. */
const TRIES_MAX = 20;

export type Changed = {
  readonly evacuation: StoredEvacuation;
  readonly decided: Decided;
};

/** @throws Problem evacuation-not-found */
export async function requireEvacuation(id: EvacuationId): Promise<StoredEvacuation> {
  const found = await findEvacuation(id);
  if (found !== undefined) return found;
  throw new Problem("evacuation-not-found", `There is no evacuation ${id}`);
}

/** Further fields to write with an action, from what the record was before it. */
type Rest = (before: StoredEvacuation, after: Life) => Parameters<typeof changeEvacuation>[1];

/**
 * Decides an action by what the evacuation is now, and writes the result.
 *
 * @throws Problem evacuation-not-found
 * @throws TableBusy when the record changed each time
 */
export async function act(
  id: EvacuationId,
  action: Action,
  rest: Rest = () => ({}),
): Promise<Changed> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const before = await requireEvacuation(id);
    const at = new Date().toISOString();
    const decided = decide(before, action, at);
    if (!("life" in decided)) return { evacuation: before, decided };
    const fields = { ...lifeFields(decided.life), ...rest(before, decided.life) };
    const evacuation = await changeEvacuation(before, fields);
    if (evacuation !== undefined) return { evacuation, decided };
  }
  throw new TableBusy(`Failed to change ${id}: its record keeps changing`);
}

/**
 * The same for an operator: what was done before is answered as it is now.
 *
 * @throws Problem evacuation-not-found, and each code of `RefusalCode`
 */
export async function ask(
  id: EvacuationId,
  action: Action,
  rest?: Rest,
): Promise<StoredEvacuation> {
  const { evacuation, decided } = await act(id, action, rest);
  if ("refused" in decided) throw new Problem(decided.refused, decided.detail);
  return evacuation;
}

/** Changes fields by what they are now; `undefined` changes nothing. */
export async function edit(
  id: EvacuationId,
  change: (now: StoredEvacuation) => Parameters<typeof changeEvacuation>[1] | undefined,
): Promise<StoredEvacuation> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const now = await requireEvacuation(id);
    const fields = change(now);
    if (fields === undefined) return now;
    const written = await changeEvacuation(now, fields);
    if (written !== undefined) return written;
  }
  throw new TableBusy(`Failed to change ${id}: its record keeps changing`);
}
