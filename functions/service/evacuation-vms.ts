import type { Acknowledgement } from "../../core/evacuation/notice.ts";
import { acknowledge } from "../../core/evacuation/noticing.ts";
import { moveAcknowledged } from "../../core/fleet-event/untold-events.ts";
import type { EvacuationId, VmId } from "../../core/id.ts";
import { refuseFields } from "../http/invalid.ts";
import { Problem } from "../http/problem.ts";
import { findMove, inState, type StoredMove } from "../store/evacuation-moves.ts";
import { ask, requireEvacuation } from "./change-evacuation.ts";
import { changeMoveOf, moveNotFound } from "./change-move.ts";
import { forgetUnknown } from "./end-move.ts";
import { type By, nextExecution, wake } from "./evacuation-actions.ts";
import { extendNotice } from "./owner-notices.ts";

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
  const move = await changeMoveOf(id, vm, (before) => {
    if (before.state === "skipped") return undefined;
    if (isBack && before.leg === "forward") {
      throw new Problem("move-over", `${vm} has not moved: there is nothing to move back`);
    }
    if (before.state === "moving" && !evacuation.unknownVms.includes(vm)) {
      const detail = `${vm} is being moved by ${before.migration}: cancel that, or let it end`;
      throw new Problem("move-in-flight", detail, { migration: before.migration });
    }
    if (!["noticed", "waiting", "retrying", "unplaced", "moving"].includes(before.state)) {
      throw new Problem("move-over", `${vm} is ${before.state}: there is nothing left to skip`);
    }
    return { after: inState(before, "skipped", { reason }) };
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
  if (known === undefined) throw moveNotFound(id, vm);
  if (known.leg === "back") throw new Problem("move-over", `${vm} is being moved back`);
  const end = uncordoned[known.source];
  if (end !== undefined) {
    const detail = `${known.source} was uncordoned by ${end.author}: plan another evacuation of it`;
    throw new Problem("move-over", detail);
  }
  await ask(id, { do: "reopen" }, nextExecution);
  const move = await changeMoveOf(id, vm, (before) => {
    if (["noticed", "waiting", "retrying", "moving"].includes(before.state)) return undefined;
    if (!["unplaced", "failed", "skipped"].includes(before.state)) {
      const detail = `${vm} is ${before.state}: only one without a place, failed or skipped is retried`;
      throw new Problem("move-over", detail);
    }
    const again = { needsTarget: true, roomless: 0, notBefore: new Date().toISOString() };
    return {
      after: inState(before, "retrying", { reason: `retried by ${by.author}`, ...again }),
    };
  });
  // Its host's turn begins again with the next step.
  await wake(await requireEvacuation(id));
  return move;
}

/**
 * The owner of a VM agrees that it moves, at once or not before a time. One that was held back is given
 * a place again. Repeated, it changes nothing.
 *
 * @throws Problem evacuation-not-found, evacuation-not-running, move-not-found, move-over, no-notice,
 *   invalid, vm-changed, workflow-unavailable
 */
export async function acknowledgeMove(
  id: EvacuationId,
  vm: VmId,
  by: Acknowledgement,
): Promise<StoredMove> {
  const { status } = await requireEvacuation(id);
  const move = await changeMoveOf(id, vm, (before) => {
    const decided = acknowledge(before, by);
    if ("repeated" in decided) return undefined;
    if ("refused" in decided) throw refusal(decided, by);
    if (status !== "approved" && status !== "running") {
      const detail = `The evacuation is ${status}: nothing of it waits for owners`;
      throw new Problem("evacuation-not-running", detail);
    }
    const { state, notice } = decided;
    const { source, target } = before;
    const again = { needsTarget: true, roomless: 0, notBefore: by.at };
    const after = inState(before, state, { notice, ...(state === "retrying" ? again : {}) });
    return { after, untold: [moveAcknowledged({ evacuation: id, vm, source, target, notice })] };
  });
  if (move.state === "noticed" && by.notBefore !== undefined) await extendNotice(id, by.notBefore);
  await wake(await requireEvacuation(id));
  return move;
}

function refusal(
  { refused, detail }: { refused: "no-notice" | "move-over" | "too-late"; detail: string },
  { notBefore }: Acknowledgement,
): Problem {
  if (refused !== "too-late") return new Problem(refused, detail);
  const rule = `expected at most ${detail}, as the evacuation allows`;
  return refuseFields([{ field: "notBefore", rule, received: notBefore }]);
}
