import { biasOfSums } from "../plan/eta.ts";
import type { Work } from "./evacuation.ts";

export function noWork(): Work {
  return { plannedMs: 0, donePlannedMs: 0, realMs: 0, predictedMs: 0, moves: 0 };
}

/**
 * What an evacuation still takes, ms: the plan's time for the share of the work that is left, by how
 * much longer its moves have taken so far than predicted.
 */
export function remainingMs(plannedEndMs: number, work: Work): number {
  const { plannedMs, donePlannedMs, realMs, predictedMs, moves } = work;
  if (plannedMs === 0) return 0;
  const left = Math.max(0, plannedMs - donePlannedMs) / plannedMs;
  return plannedEndMs * left * biasOfSums({ realMs, predictedMs, count: moves });
}

/** What a move that was predicted takes, ms, if it takes as much longer as those before it. */
export function neededMs(
  predicted: number,
  { realMs, predictedMs, moves }: Pick<Work, "realMs" | "predictedMs" | "moves">,
): number {
  return predicted * Math.max(1, biasOfSums({ realMs, predictedMs, count: moves }));
}
