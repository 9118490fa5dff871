import {
  afterDeadline,
  HELD_CURE,
  heldReason,
  needsNotice,
  newNotice,
} from "../../core/evacuation/noticing.ts";
import { moveHeld, movePlanned } from "../../core/fleet-event/untold-events.ts";
import type { EvacuationId } from "../../core/id.ts";
import { changeMove, inState, listAllMoves, type StoredMove } from "../store/evacuation-moves.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { findVm, type StoredVm } from "../store/vms.ts";
import { edit } from "./change-evacuation.ts";

/** Owners that are told at the same time. */
const TOGETHER_MAX = 20;

/**
 * Tells the owners of what may start that it is to be moved. Idempotent: each is told once, together
 * with the change that has his VM wait.
 */
export async function giveNotices(evacuation: StoredEvacuation): Promise<void> {
  const { id, notice: rule } = evacuation;
  if (rule === undefined) return;
  const moves = (await listAllMoves(id)).filter((move) => mayNeedNotice(move));
  for (let place = 0; place < moves.length; place += TOGETHER_MAX) {
    const some = moves.slice(place, place + TOGETHER_MAX);
    await Promise.all(
      some.map(async (move) => {
        const vm = await findVm(move.vm);
        return vm === undefined ? undefined : holdForOwner(evacuation, move, vm);
      }),
    );
  }
}

function mayNeedNotice({ state, leg, notice }: StoredMove): boolean {
  return state === "waiting" && leg === "forward" && notice?.endedAt === undefined;
}

/** Has a move wait for its owner, if the rule says so and it has not done so. True: it must not start. */
export async function holdForOwner(
  evacuation: StoredEvacuation,
  before: StoredMove,
  vm: StoredVm,
): Promise<boolean> {
  const { id, notice: rule } = evacuation;
  if (rule === undefined || !mayNeedNotice(before)) return false;
  if (before.notice !== undefined) {
    // It had lost its place meanwhile: its owner knows.
    await changeMove(id, { before, after: inState(before, "noticed") });
    return true;
  }
  if (!needsNotice(rule, vm)) return false;
  const nowMs = Date.now();
  const notice = newNotice(rule, nowMs);
  await extendNotice(id, notice.deadlineAt);
  const planned = movePlanned(
    { evacuation: id, vm: before.vm, source: before.source, target: before.target, notice },
    later(notice.deadlineAt, plannedStart(evacuation, before, nowMs)),
    messageFor(evacuation, before),
  );
  await changeMove(id, { before, after: inState(before, "noticed", { notice }) }, [planned]);
  return true;
}

/** When the plan has it start. */
function plannedStart(
  { startedAt }: StoredEvacuation,
  { startAtMs = 0 }: StoredMove,
  nowMs: number,
): string {
  const beganMs = startedAt === undefined ? nowMs : Date.parse(startedAt);
  return new Date(beganMs + startAtMs).toISOString();
}

function messageFor({ plannedBy, notice }: StoredEvacuation, { source }: StoredMove): string {
  const reason = notice?.message === undefined ? "" : `: ${notice.message}`;
  return `${source} is to be emptied, planned by ${plannedBy}${reason}`;
}

function later(one: string, other: string): string {
  return one > other ? one : other;
}

/** Until when anything waits for its owner, at most. */
export async function extendNotice(id: EvacuationId, until: string): Promise<void> {
  await edit(id, ({ noticeUntil = "" }) =>
    noticeUntil >= until ? undefined : { noticeUntil: until },
  );
}

/** The time of a move that waits for its owner has come. True when it may start. */
export async function endNotice(id: EvacuationId, before: StoredMove): Promise<boolean> {
  if (before.notice === undefined) return false;
  const { state, notice } = afterDeadline(before.notice, new Date().toISOString());
  if (state === "waiting")
    return changeMove(id, { before, after: inState(before, state, { notice }) });
  const { vm, source, target } = before;
  const why = { reason: heldReason(notice), cure: HELD_CURE };
  const after = inState(before, state, { notice, ...why });
  const held = moveHeld({ evacuation: id, vm, source, target, notice });
  await changeMove(id, { before, after }, [held]);
  return false;
}
