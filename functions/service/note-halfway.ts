import { isHalfway, remainingMs } from "../../core/evacuation/eta.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { edit } from "./change-evacuation.ts";
import { elapsedOf } from "./replan-evacuation.ts";

/** Keeps the end that is predicted when half of the work is done: metrics compare it with the real one. */
export async function noteHalfway(evacuation: StoredEvacuation): Promise<void> {
  const { id, eta, work, halfwayEndMs } = evacuation;
  if (halfwayEndMs !== undefined || !isHalfway(work)) return;
  const endMs = elapsedOf(evacuation) + remainingMs(eta.plannedMs, work);
  await edit(id, (now) => (now.halfwayEndMs === undefined ? { halfwayEndMs: endMs } : undefined));
}
