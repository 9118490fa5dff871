import { isOpen } from "../../core/evacuation/counting.ts";
import { withoutNoticeMs } from "../../core/evacuation/notice.ts";
import {
  beyondTolerance,
  outlineOf,
  placementChanges,
  placementsOf,
  VERSIONS_MAX,
  type VersionOutline,
  type VersionReason,
} from "../../core/evacuation/version.ts";
import type { HostId } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { changeMove, inState, listAllMoves, type StoredMove } from "../store/evacuation-moves.ts";
import { listOutlines, writeVersion } from "../store/evacuation-plans.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { act } from "./change-evacuation.ts";
import { planFleet } from "./plan-fleet.ts";
import { etaOf } from "./request-evacuation.ts";

/**
 * Plans the rest of an evacuation again. Where that changes a placement, it becomes a new version: it
 * is carried out if it is within the tolerance, and otherwise waits for an approval, and nothing starts
 * until then. True when something was changed by it.
 */
export async function replan(
  evacuation: StoredEvacuation,
  reason: VersionReason,
): Promise<boolean> {
  const { id, version: before, approvedVersion, tolerance } = evacuation;
  // A version that nobody has approved yet is not replaced: whoever reads it may approve it.
  if (approvedVersion !== before) return false;
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
  const version = before + 1;
  const elapsedMs = elapsedOf(evacuation);
  // Whoever has approved the notice has approved the wait for owners.
  const outline = outlineOf(version, plan, withoutNoticeMs(elapsedMs, evacuation.notice));
  const consented = await consentedOutline(evacuation);
  const excess = (made: VersionOutline) =>
    consented === undefined ? [] : beyondTolerance(consented, made, tolerance);
  const stored = await writeVersion(id, {
    plan,
    outline,
    reason,
    changes: [...excess(outline).map((text) => `beyond the tolerance: ${text}`), ...changes],
    at: new Date().toISOString(),
  });
  const isWithinTolerance = excess(stored.outline).length === 0;
  await act(id, { do: "offer", version, isWithinTolerance }, (now) => ({
    // The bound is of the whole evacuation: the rest alone has a lower one.
    eta: { ...etaOf(stored.plan, elapsedMs), lowerBoundMs: now.eta.lowerBoundMs },
  }));
  return true;
}

/** What persons have approved last: the tolerance is measured against it. */
async function consentedOutline({ id, consentedVersion = 0 }: StoredEvacuation) {
  const outlines = await listOutlines(id, consentedVersion);
  return outlines.find(({ version }) => version === consentedVersion);
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
