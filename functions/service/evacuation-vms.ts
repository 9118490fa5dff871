import type { EvacuationId, VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { changeMove, findMove, inState, type StoredMove } from "../store/evacuation-moves.ts";
import { ask, requireEvacuation } from "./change-evacuation.ts";
import { forgetUnknown } from "./end-move.ts";
import { type By, nextExecution, wake } from "./evacuation-actions.ts";

/** How often a move may change between the read and the write. */
const TRIES_MAX = 5;

/**
 * Takes a VM out of the evacuation: it stays where it is. One of which nobody knows where it runs is
 * passed over, and stays locked.
 *
 * @throws Problem evacuation-not-found, evacuation-not-running, move-not-found, move-in-flight,
 *   move-over, vm-changed
 */
export async function skipVm(id: EvacuationId, vm: VmId, { author, message }: By) {
  const evacuation = await requireEvacuation(id);
  const isUnderWay = ["running", "cancelling", "rolling-back"].includes(evacuation.status);
  if (!isUnderWay) {
    const detail = `The evacuation is ${evacuation.status}: VMs can be skipped while it runs`;
    throw new Problem("evacuation-not-running", detail);
  }
  const isBack = evacuation.forward !== undefined;
  const reason = `skipped by ${author}${message === undefined ? "" : `: ${message}`}`;
  const move = await changed(id, vm, (before) => {
    if (before.state === "skipped") return undefined;
    if (isBack && before.leg === "forward") {
      throw new Problem("move-over", `${vm} has not moved: there is nothing to move back`);
    }
    if (before.state === "moving" && !evacuation.unknownVms.includes(vm)) {
      const detail = `${vm} is being moved by ${before.migration}: cancel that, or let it end`;
      throw new Problem("move-in-flight", detail, { migration: before.migration });
    }
    if (!["waiting", "retrying", "unplaced", "moving"].includes(before.state)) {
      throw new Problem("move-over", `${vm} is ${before.state}: there is nothing left to skip`);
    }
    return inState(before, "skipped", { reason });
  });
  await forgetUnknown(id, move);
  await wake(await requireEvacuation(id));
  return move;
}

/**
 * Tries a VM again that stays, has failed or was skipped: a new version of the plan finds it a place.
 * What has failed before counts still, so of a budget that is used up this is one more try.
 * An evacuation that has completed with a remainder goes on for it.
 *
 * @throws Problem evacuation-not-found, evacuation-not-running, move-not-found, move-over, vm-changed
 */
export async function retryVm(id: EvacuationId, vm: VmId, by: By) {
  const known = await findMove(id, vm);
  const { uncordoned } = await requireEvacuation(id);
  if (known === undefined) throw notFound(id, vm);
  if (known.leg === "back") throw new Problem("move-over", `${vm} is being moved back`);
  const end = uncordoned[known.source];
  if (end !== undefined) {
    const detail = `${known.source} was uncordoned by ${end.author}: plan another evacuation of it`;
    throw new Problem("move-over", detail);
  }
  await ask(id, { do: "reopen" }, nextExecution);
  const move = await changed(id, vm, (before) => {
    if (["waiting", "retrying", "moving"].includes(before.state)) return undefined;
    if (!["unplaced", "failed", "skipped"].includes(before.state)) {
      const detail = `${vm} is ${before.state}: only one without a place, failed or skipped is retried`;
      throw new Problem("move-over", detail);
    }
    return inState(before, "retrying", {
      reason: `retried by ${by.author}`,
      needsTarget: true,
      roomless: 0,
      notBefore: new Date().toISOString(),
    });
  });
  // Its host's turn begins again with the next step.
  await wake(await requireEvacuation(id));
  return move;
}

async function changed(
  id: EvacuationId,
  vm: VmId,
  change: (before: StoredMove) => StoredMove | undefined,
): Promise<StoredMove> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const before = await findMove(id, vm);
    if (before === undefined) throw notFound(id, vm);
    const after = change(before);
    if (after === undefined) return before;
    if (await changeMove(id, { before, after })) return after;
  }
  throw new Problem("vm-changed", `Other requests are changing ${vm} of ${id}: try again`);
}

function notFound(id: EvacuationId, vm: VmId): Problem {
  return new Problem(
    "move-not-found",
    `VM ${vm} is not part of ${id}: its moves name those that are`,
  );
}
