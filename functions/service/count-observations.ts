import type { Observation } from "../../core/metrics.ts";
import { additionsOf, type Sums } from "../../core/open-metrics.ts";

/** What observations add together. */
export function sumOf(observations: readonly Observation[]): Sums {
  const additions = new Map<string, number>();
  for (const observation of observations) {
    for (const [name, value] of additionsOf(observation)) {
      additions.set(name, (additions.get(name) ?? 0) + value);
    }
  }
  return additions;
}
