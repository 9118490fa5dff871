import type { HostId, VmId } from "../../core/id.ts";
import { changeMove, findMove, inState } from "../store/evacuation-moves.ts";
import { listListeners } from "../store/evacuation-wakes.ts";
import { recordEnded, type StoredVm } from "../store/vms.ts";

type End = Parameters<typeof recordEnded>[2];

/**
 * Records the end of a guest that no migration holds. Evacuations that empty its host have one VM less
 * to move from then on, whatever they wait for. Changes nothing for a VM that is elsewhere or locked.
 */
export async function endGuest(vm: VmId, host: HostId, end: End): Promise<StoredVm | undefined> {
  const before = await recordEnded(vm, host, end);
  if (before === undefined || before.lockedBy !== undefined) return before;
  const reason = `its guest has ended: it is ${end.state}`;
  for (const id of await listListeners({ host })) {
    const move = await findMove(id, vm);
    const isLeft = ["noticed", "waiting", "retrying", "unplaced"].includes(move?.state ?? "");
    if (move === undefined || !isLeft || move.source !== host) continue;
    // If it is being started at this moment, that finds the guest ended.
    await changeMove(id, { before: move, after: inState(move, "gone", { reason }) });
  }
  return before;
}
