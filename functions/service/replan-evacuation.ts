import { isOpen } from "../../core/evacuation/counting.ts";
import { withoutNoticeMs } from "../../core/evacuation/noticing.ts";
import {
  beyondTolerance,
  outlineOf,
  type Placement,
  placementChanges,
  placementsOf,
  VERSIONS_MAX,
  type VersionReason,
} from "../../core/evacuation/version.ts";
import type { HostId } from "../../core/id.ts";
import { observationsOfReplan } from "../../core/observations.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { changeMove, inState, listAllMoves, type StoredMove } from "../store/evacuation-moves.ts";
import { findVersion, type PlanVersion, writeVersion } from "../store/evacuation-plans.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { act } from "./change-evacuation.ts";
import { count } from "./count-observations.ts";
import { planFleet } from "./plan-fleet.ts";
import { etaOf } from "./request-evacuation.ts";

/**
 * Plans the rest of an evacuation again. Where that changes a placement, it becomes a new version: it
 * is carried out if it is within the tolerance, and otherwise waits for an approval, and nothing starts
 * until then. One that is made because room has appeared gives places to more VMs, or is none; the
 * approved one goes on until it is approved. True when something was changed by it.
 */
export async function replan(
  evacuation: StoredEvacuation,
  reason: VersionReason,
): Promise<boolean> {
  const { id, version: before, pauses } = evacuation;
  // A version for which everything waits is not replaced: whoever reads it may approve it.
  if (Object.hasOwn(pauses, "tolerance")) return false;
  const moves = await listAllMoves(id);
  if (before >= VERSIONS_MAX) return giveUp(evacuation, moves);
  const plan = await planRest(evacuation, moves);
  const placed = placementsOf(plan);
  const known = moves
    .filter(({ state, needsTarget }) => isOpen(state) || (state === "unplaced" && !needsTarget))
    .filter(({ state }) => state !== "moving")
    .map(({ vm, target, state }) => (state === "unplaced" ? { vm } : { vm, target }));
  const fixed = new Set<string>(
    moves
      .filter(({ state }) => !["noticed", "waiting", "retrying", "unplaced"].includes(state))
      .map(({ vm }) => vm),
  );
  const changes = placementChanges(
    known,
    placed.filter(({ vm }) => !fixed.has(vm)),
  );
  const needed = moves.filter(({ needsTarget, state }) => needsTarget && state === "retrying");
  if (changes.length === 0 && needed.length === 0) return false;
  const isOptional = reason === "room-appeared";
  if (isOptional && !(await offersMore(evacuation, { known, plan }))) return false;
  const elapsedMs = elapsedOf(evacuation);
  const consented = await findVersion(id, evacuation.consentedVersion ?? 0);
  // Whoever has approved the notice has approved the wait for owners.
  const workedMs = withoutNoticeMs(elapsedMs, evacuation.notice);
  const made = { plan, outline: outlineOf(before + 1, plan, workedMs) };
  const texts = excessOf(evacuation, consented, made).map(
    (text) => `beyond the tolerance: ${text}`,
  );
  const stored = await writeVersion(id, {
    ...made,
    reason,
    changes: [...texts, ...changes],
    at: new Date().toISOString(),
  });
  // Another writer of the same version has counted it.
  if (stored.plan === plan) await count(observationsOfReplan(reason), id);
  const isWithinTolerance = excessOf(evacuation, consented, stored).length === 0;
  const offer = { do: "offer", version: before + 1, isWithinTolerance, isOptional } as const;
  // What is only offered is not what is carried out.
  const isNext = isWithinTolerance || !isOptional;
  await act(id, offer, (now) =>
    // The bound is of the whole evacuation: the rest alone has a lower one.
    isNext
      ? {
          eta: {
            ...now.eta,
            ...etaOf(stored.plan, elapsedMs),
            lowerBoundMs: now.eta.lowerBoundMs,
          },
        }
      : {},
  );
  return true;
}

/** Whether a plan places a VM that stays, and nobody has been offered the same before. */
async function offersMore(
  { id, version }: StoredEvacuation,
  { known, plan }: { known: readonly Placement[]; plan: Plan },
): Promise<boolean> {
  const staying = new Set<string>(
    known.filter(({ target }) => target === undefined).map(({ vm }) => vm),
  );
  const gained = ({ moves }: Plan) =>
    moves.filter(({ vm }) => staying.has(vm)).map(({ vm, target }) => `${vm} ${target}`);
  const found = gained(plan);
  const newest = await findVersion(id, version);
  const offered = new Set(newest === undefined ? [] : gained(newest.plan));
  return found.some((one) => !offered.has(one));
}

type Made = Pick<PlanVersion, "plan" | "outline">;

/**
 * In what a version exceeds the tolerance around the one that persons have approved last. VMs that that
 * one leaves where they are cannot make its own moves late.
 */
function excessOf(
  { tolerance, startedAt }: StoredEvacuation,
  consented: Made | undefined,
  { plan, outline }: Made,
): string[] {
  if (consented === undefined) return [];
  const left = new Set<string>(consented.plan.unplaced.map(({ vm }) => vm));
  const counted = plan.moves.filter(({ vm }) => !left.has(vm)).map(({ endAtMs }) => endAtMs);
  const isMore = counted.length < plan.moves.length;
  const endMs = isMore ? elapsedOf({ startedAt }) + Math.max(0, ...counted) : outline.endMs;
  return beyondTolerance(consented.outline, { ...outline, endMs }, tolerance);
}

export function elapsedOf({ startedAt }: Pick<StoredEvacuation, "startedAt">): number {
  return startedAt === undefined ? 0 : Math.max(0, Date.now() - Date.parse(startedAt));
}

async function planRest(evacuation: StoredEvacuation, moves: readonly StoredMove[]): Promise<Plan> {
  const hosts = evacuation.hosts.filter(
    ({ host, state }) => state !== "emptied" && evacuation.uncordoned[host] === undefined,
  );
  const targets = new Map<string, HostId>();
  const refusedBy = new Map<string, HostId[]>();
  const staying = new Map<string, string>();
  for (const { vm, state, target, tries, needsTarget } of moves) {
    const isPlaced = state === "waiting" || state === "noticed";
    if (isPlaced && target !== undefined) targets.set(vm, target);
    if (state === "failed" || state === "skipped") staying.set(vm, `${evacuation.id}: ${state}`);
    const refusals = tries.filter((one) => one.class === "incompatible");
    if (refusals.length > 0)
      refusedBy.set(
        vm,
        refusals.map((one) => one.target),
      );
    if (needsTarget && target !== undefined) targets.delete(vm);
  }
  return planFleet(
    evacuation,
    hosts.map(({ host }) => host),
    { targets, refusedBy, staying },
  );
}

/** Too many versions: what has lost its target stays. */
async function giveUp({ id }: StoredEvacuation, moves: readonly StoredMove[]): Promise<boolean> {
  const reason = `its target was lost, and the plan has had ${VERSIONS_MAX} versions`;
  const cure = "plan another evacuation for the rest";
  for (const before of moves.filter(({ needsTarget }) => needsTarget === true)) {
    await changeMove(id, { before, after: inState(before, "failed", { reason, cure }) });
  }
  return true;
}
