import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import type { Evacuation, EvacuationMove, PlanVersion } from "../api-types.ts";

/** VMs of an evacuation that a page reads. */
const MOVES_MAX = 5_000;

export type EvacuationView = {
  readonly evacuation: Evacuation;
  readonly moves: readonly EvacuationMove[];
  /** The newest version, the one that is carried out, and the one before it, as far as there are. */
  readonly plans: ReadonlyMap<number, PlanVersion>;
};

export async function loadEvacuation(
  api: Client,
  id: string,
  before: EvacuationView | undefined,
): Promise<EvacuationView> {
  const evacuation = await api.getEvacuation(id);
  const isSame = before?.evacuation.updatedAt === evacuation.updatedAt;
  if (before !== undefined && isSame && isFinalEvacuation(evacuation.status)) {
    return { ...before, evacuation };
  }
  const [moves, plans] = await Promise.all([
    allOf((page) => api.listEvacuationMoves(id, page), MOVES_MAX),
    loadPlans(api, evacuation, before?.plans),
  ]);
  return { evacuation, moves, plans };
}

export function isEvacuationBusy({ evacuation }: EvacuationView): boolean {
  const { status, counters } = evacuation;
  return !isFinalEvacuation(status) && (status !== "paused" || counters.moving > 0);
}

/** A version never changes: each is read once. */
async function loadPlans(
  api: Client,
  { id, version, approvedVersion }: Evacuation,
  known: ReadonlyMap<number, PlanVersion> = new Map(),
): Promise<ReadonlyMap<number, PlanVersion>> {
  const wanted = [version - 1, version, approvedVersion ?? 0].filter((one) => one >= 1);
  const missing = [...new Set(wanted)].filter((one) => !known.has(one));
  if (missing.length === 0) return known;
  const read = await Promise.all(
    missing.map(async (one) => [one, await api.getEvacuationPlan(id, one)] as const),
  );
  return new Map([...known, ...read]);
}
