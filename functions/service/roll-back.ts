import { noWork } from "../../core/evacuation/eta.ts";
import type { VmId } from "../../core/id.ts";
import type { ReturnPlan } from "../../core/plan/return-plan.ts";
import { sum } from "../../core/plan/sums.ts";
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
import { planWayBack } from "./plan-way-back.ts";

/**
 * Lists what has moved as moves back, with the sides swapped, in the order of a plan made now. Each
 * starts as soon as its old host has room, so a chain of hosts unwinds from its end by itself. True when
 * it has done so in this call.
 */
export async function prepareRollback(evacuation: StoredEvacuation): Promise<boolean> {
  if (evacuation.appliedVersion === 0) return false;
  await liftCordons(evacuation);
  const moves = await listAllMoves(evacuation.id);
  const plan = await planWayBack(evacuation, moves);
  const planned = plannedBack(plan);
  for (const before of moves) {
    const { source, target, state, leg, tries } = before;
    if (state !== "moved" || leg !== "forward" || target === undefined) continue;
    const after = inState(before, "waiting", {
      leg: "back",
      source: target,
      target: source,
      countedFrom: tries.length,
      ...(planned.get(before.vm) ?? { order: planned.size, predictedMs: 0 }),
    });
    await beginBack(evacuation.id, { before, after });
  }
  const { ms: plannedMs, lowMs, highMs } = plan.eta;
  const eta = { plannedMs, lowMs, highMs, lowerBoundMs: plan.lowerBoundMs };
  const workMs = sum([...planned.values()], ({ predictedMs }) => predictedMs);
  // Marks that all are listed: there is no version to apply any more.
  await edit(evacuation.id, ({ appliedVersion, forward, eta: before }) =>
    appliedVersion === 0
      ? undefined
      : {
          appliedVersion: 0,
          eta,
          work: { ...noWork(), plannedMs: workMs },
          ...(forward === undefined ? {} : { forward: { ...forward, eta: before } }),
        },
  );
  return true;
}

/** What a plan says of the VMs that it brings home, the most urgent first. */
function plannedBack({ moves }: ReturnPlan) {
  const inOrder = moves.toSorted((one, other) => one.startAtMs - other.startAtMs);
  return new Map(
    inOrder.map(({ vm, startAtMs, endAtMs, bytes, downtimeMs }, order) => [
      vm,
      {
        order,
        startAtMs,
        predictedMs: endAtMs - startAtMs,
        predictedBytes: bytes,
        predictedDowntimeMs: downtimeMs,
      },
    ]),
  );
}

/** Nothing moves, and no old host has room for these, or will have by itself. */
export async function giveUpMoves(
  evacuation: StoredEvacuation,
  vms: readonly VmId[],
): Promise<void> {
  const { id } = evacuation;
  const { staying } = await planWayBack(evacuation, await listAllMoves(id));
  const known = new Map(staying.map(({ vm, blockers }) => [vm, blockers]));
  for (const vm of vms) {
    const before = await findMove(id, vm);
    if (before?.state !== "waiting" || before.leg !== "back") continue;
    const blockers = known.get(vm) ?? [];
    const why = blockers.map(({ message }) => message).join("; ");
    const reason = `${before.target} cannot take it back: ${why || "it has no room, or takes no guests"}`;
    const first = blockers.map(({ cure }) => cure).join("; ") || `Make room on ${before.target}`;
    const cure = `${first}; then move ${vm} by itself`;
    await changeMove(id, { before, after: inState(before, "unplaced", { reason, cure }) });
  }
}
