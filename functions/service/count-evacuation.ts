import { observationsOfEvacuation } from "../../core/metrics.ts";
import { log } from "../runtime/log.ts";
import { addEvacuationSums } from "../store/counters.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { sumOf } from "./count-observations.ts";

/**
 * Adds the end of an evacuation to the metrics: called by whoever has written it, so it is counted once.
 * A failure is logged, and loses it.
 */
export async function countEvacuation(evacuation: StoredEvacuation): Promise<void> {
  try {
    await addEvacuationSums(evacuation.id, sumOf(observationsOfEvacuation(evacuation)));
  } catch (error) {
    log().warn({ err: error, evacuationId: evacuation.id }, "failed to count an evacuation");
  }
}
