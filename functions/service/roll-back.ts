import type { VmId } from "../../core/id.ts";
import {
  beginBack,
  changeMove,
  findMove,
  inState,
  listAllMoves,
} from "../store/evacuation-moves.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { edit } from "./change-evacuation.ts";
import { liftCordons } from "./evacuation-turns.ts";

/**
 * Lists what has moved as moves back, with the sides swapped. Each starts as soon as its old host has
 * room, so a chain of hosts unwinds from its end by itself. True when it has done so in this call.
 */
export async function prepareRollback(evacuation: StoredEvacuation): Promise<boolean> {
  if (evacuation.appliedVersion === 0) return false;
  await liftCordons(evacuation);
  const moves = await listAllMoves(evacuation.id);
  for (const before of moves) {
    const { source, target, state, leg, tries } = before;
    if (state !== "moved" || leg !== "forward" || target === undefined) continue;
    const after = inState(before, "waiting", {
      leg: "back",
      source: target,
      target: source,
      countedFrom: tries.length,
    });
    await beginBack(evacuation.id, { before, after });
  }
  // Marks that all are listed: there is no version to apply any more.
  await edit(evacuation.id, (now) =>
    now.appliedVersion === 0 ? undefined : { appliedVersion: 0 },
  );
  return true;
}

/** Nothing moves, and no old host has room for these, or will have by itself. */
export async function giveUpMoves(
  { id }: Pick<StoredEvacuation, "id">,
  vms: readonly VmId[],
): Promise<void> {
  for (const vm of vms) {
    const before = await findMove(id, vm);
    if (before?.state !== "waiting" || before.leg !== "back") continue;
    const reason = `${before.target} cannot take it back: it has no room, or takes no guests`;
    const cure = `make room on ${before.target}, then move ${vm} by itself`;
    await changeMove(id, { before, after: inState(before, "unplaced", { reason, cure }) });
  }
}
