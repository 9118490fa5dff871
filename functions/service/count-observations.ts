import type { Observation } from "../../core/observations.ts";
import { additionsOf, type Sums } from "../../core/open-metrics.ts";
import { log } from "../runtime/log.ts";
import { writeEmf } from "../runtime/write-emf.ts";
import { addSums } from "../store/counters.ts";

/**
 * Adds what has happened to the metrics. The caller sees to it that each thing is counted once. A
 * failure is logged and loses it: metrics hold up nothing.
 *
 * @param id of what it is about: it spreads the writes
 */
export async function count(observations: readonly Observation[], id?: string): Promise<void> {
  if (observations.length === 0) return;
  try {
    await addSums(sumOf(observations), id);
    writeEmf(observations);
  } catch (error) {
    log().warn({ err: error, id }, "failed to count what has happened");
  }
}

/** What observations add together. */
function sumOf(observations: readonly Observation[]): Sums {
  const additions = new Map<string, number>();
  for (const observation of observations) {
    for (const [name, value] of additionsOf(observation)) {
      additions.set(name, (additions.get(name) ?? 0) + value);
    }
  }
  return additions;
}
