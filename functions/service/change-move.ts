import type { UntoldEvent } from "../../core/fleet-event/fleet-event.ts";
import type { EvacuationId, VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { changeMove, findMove, type StoredMove } from "../store/evacuation-moves.ts";

/** How often a move may change between the read and the write. */
const TRIES_MAX = 5;

type Change = { readonly after: StoredMove; readonly untold?: readonly UntoldEvent[] };

/**
 * Changes the move of a VM by what it is now; `undefined` changes nothing.
 *
 * @throws Problem move-not-found, vm-changed, and what `change` throws
 */
export async function changeMoveOf(
  id: EvacuationId,
  vm: VmId,
  change: (before: StoredMove) => Change | undefined,
): Promise<StoredMove> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const before = await findMove(id, vm);
    if (before === undefined) throw moveNotFound(id, vm);
    const changed = change(before);
    if (changed === undefined) return before;
    const { after, untold } = changed;
    if (await changeMove(id, { before, after }, untold)) return after;
  }
  throw new Problem("vm-changed", `Other requests are changing ${vm} of ${id}: try again`);
}

export function moveNotFound(id: EvacuationId, vm: VmId): Problem {
  return new Problem(
    "move-not-found",
    `VM ${vm} is not part of ${id}: its moves name those that are`,
  );
}
