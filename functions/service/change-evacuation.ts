import { TableBusy } from "../../core/errors.ts";
import {
  type Action,
  type Decided,
  decide,
  isFinalEvacuation,
  type Life,
} from "../../core/evacuation/life.ts";
import type { EvacuationId } from "../../core/id.ts";
import { observationsOfEvacuation } from "../../core/observations.ts";
import { Problem } from "../http/problem.ts";
import { type BackOff, withBackOff } from "../runtime/back-off.ts";
import {
  changeEvacuation,
  findEvacuation,
  lifeFields,
  type StoredEvacuation,
} from "../store/evacuations.ts";
import { count } from "./count-observations.ts";

/** About two seconds in all at most. */
const backOff: BackOff = { retriesMax: 20, delayMs: 5, delayMsMax: 200 };

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
 * Decides an action by what the evacuation is now, and writes the result, with the time of its end.
 *
 * @throws Problem evacuation-not-found
 * @throws TableBusy when the record changed each time
 */
export function act(id: EvacuationId, action: Action, rest: Rest = () => ({})): Promise<Changed> {
  return inTurn(id, async (before) => {
    const at = new Date().toISOString();
    const decided = decide(before, action, at);
    if (!("life" in decided)) return { evacuation: before, decided };
    const isOver = isFinalEvacuation(decided.life.status);
    const wasOver = isFinalEvacuation(before.status);
    const fields = {
      ...lifeFields(decided.life),
      ...(isOver === wasOver ? {} : { endedAt: isOver ? at : undefined }),
      ...rest(before, decided.life),
    };
    const evacuation = await changeEvacuation(before, fields);
    if (evacuation === undefined) return undefined;
    if (isOver && !wasOver) await count(observationsOfEvacuation(evacuation), id);
    return { evacuation, decided };
  });
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
export function edit(
  id: EvacuationId,
  change: (now: StoredEvacuation) => Parameters<typeof changeEvacuation>[1] | undefined,
): Promise<StoredEvacuation> {
  return inTurn(id, async (now) => {
    const fields = change(now);
    return fields === undefined ? now : changeEvacuation(now, fields);
  });
}

/** Moves that start and end change the record, too: tries until no other writer was faster. */
function inTurn<T>(
  id: EvacuationId,
  attempt: (now: StoredEvacuation) => Promise<T | undefined>,
): Promise<T> {
  return withBackOff(
    backOff,
    async () => {
      const value = await attempt(await requireEvacuation(id));
      return value === undefined ? { conflict: undefined } : { value };
    },
    () => new TableBusy(`Failed to change ${id}: its record keeps changing`),
  );
}
