import { halfwayEndMs, isHalfway, remainingMs, workedMs } from "../../core/evacuation/eta.ts";
import { listAllMoves } from "../store/evacuation-moves.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { edit } from "./change-evacuation.ts";
import { elapsedOf } from "./replan-evacuation.ts";

/** Keeps the end that is predicted when half of the work is done: metrics compare it with the real one. */
export async function noteHalfway(evacuation: StoredEvacuation): Promise<void> {
  const { id, eta, work } = evacuation;
  if (eta.halfwayEndMs !== undefined || !isHalfway(work)) return;
  const endMs = elapsedOf(evacuation) + remainingMs(eta.plannedMs, work);
  await edit(id, (now) =>
    now.eta.halfwayEndMs === undefined ? { eta: { ...now.eta, halfwayEndMs: endMs } } : undefined,
  );
}

/**
 * The same at its end, ms after the start: where no step was made between two ends of moves, it is what
 * a step would have noted then, by the times at which they ended.
 */
export async function halfwayOf(evacuation: StoredEvacuation): Promise<number | undefined> {
  const { id, eta, startedAt } = evacuation;
  if (eta.halfwayEndMs !== undefined || startedAt === undefined) return eta.halfwayEndMs;
  const startMs = Date.parse(startedAt);
  const ends = (await listAllMoves(id)).map(({ state, predictedMs = 0, tries, updatedAt }) => {
    const last = tries.at(-1);
    const atMs = Date.parse(last?.endedAt ?? updatedAt) - startMs;
    return { atMs, predictedMs, realMs: state === "moved" && last ? workedMs(last) : undefined };
  });
  return halfwayEndMs(eta.plannedMs, ends);
}
