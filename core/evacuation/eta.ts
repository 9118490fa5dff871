import { biasOfSums } from "../plan/eta.ts";
import type { Counters } from "./counters.ts";
import { openCount } from "./counting.ts";
import type { MoveTry, Work } from "./evacuation.ts";

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

/** Of a try that has moved its VM, what was predicted: the preparation is done ahead of the slots. */
export function workedMs({ slotMs, ms }: Pick<MoveTry, "slotMs" | "ms">): number | undefined {
  return slotMs ?? ms;
}

/** Whether half of the work is done, and some is left. */
export function isHalfway({ plannedMs, donePlannedMs }: Work): boolean {
  return donePlannedMs * 2 >= plannedMs && donePlannedMs < plannedMs;
}

/** A move that is over; `realMs` of one that has moved, if it is known. */
export type MoveEnd = {
  readonly predictedMs: number;
  readonly realMs?: number | undefined;
};

/** What the end of a move adds to the sums of the work. */
export function workOfEnd({ predictedMs, realMs }: MoveEnd): Omit<Work, "plannedMs"> {
  const moved =
    realMs === undefined
      ? { realMs: 0, predictedMs: 0, moves: 0 }
      : { realMs, predictedMs, moves: 1 };
  return { donePlannedMs: predictedMs, ...moved };
}

function withEnd(work: Work, end: MoveEnd): Work {
  const added = workOfEnd(end);
  return {
    plannedMs: work.plannedMs,
    donePlannedMs: work.donePlannedMs + added.donePlannedMs,
    realMs: work.realMs + added.realMs,
    predictedMs: work.predictedMs + added.predictedMs,
    moves: work.moves + added.moves,
  };
}

/**
 * The end that was predicted at half-way, by the ends of all moves, ms after the start: with the end by
 * which half of the work was done, or with the one before that if it was the last. Undefined where
 * nothing was moved.
 */
export function halfwayEndMs(
  plannedEndMs: number,
  ends: readonly (MoveEnd & { readonly atMs: number })[],
): number | undefined {
  const plannedMs = ends.reduce((sum, { predictedMs }) => sum + predictedMs, 0);
  if (plannedMs === 0) return undefined;
  let work: Work = { ...noWork(), plannedMs };
  let endMs = plannedEndMs;
  const inOrder = ends.toSorted((one, other) => one.atMs - other.atMs);
  for (const end of inOrder.slice(0, -1)) {
    work = withEnd(work, end);
    endMs = end.atMs + remainingMs(plannedEndMs, work);
    if (isHalfway(work)) break;
  }
  return endMs;
}

/**
 * The same while VMs wait for their owners: they go at the end of their wait at the latest.
 *
 * @param waitMs until the last of them may go
 */
export function remainingWithNoticeMs(leftMs: number, waitMs: number, counters: Counters): number {
  const { noticed } = counters;
  if (noticed === 0) return leftMs;
  return Math.max(leftMs, Math.max(0, waitMs) + (leftMs * noticed) / openCount(counters));
}

/** What a move that was predicted takes, ms, if it takes as much longer as those before it. */
export function neededMs(
  predicted: number,
  { realMs, predictedMs, moves }: Pick<Work, "realMs" | "predictedMs" | "moves">,
): number {
  return predicted * Math.max(1, biasOfSums({ realMs, predictedMs, count: moves }));
}
