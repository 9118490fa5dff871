import { bandEnd } from "./eta.ts";
import type { ExecutionInput } from "./execution.ts";
import type { Move } from "./move.ts";
import { type Schedule, schedule } from "./schedule.ts";

export type Ordered = { readonly moves: readonly Move[]; readonly schedule: Schedule };

/** A cautious order is taken although it is predicted to end later, by this share at most. */
const CAUTION_SHARE = 0.01;

/**
 * The longest migration first, by the upper end of its predicted time: a guest that may turn out not
 * to converge must not be met at the end. Another order is taken if it is predicted to end earlier.
 */
export function byUrgency(input: ExecutionInput): Ordered {
  const [cautious, ...others] = urgencyOrders(input).map((moves) => ({
    moves,
    schedule: schedule({ ...input, moves }),
  }));
  if (cautious === undefined) return { moves: [], schedule: schedule({ ...input, moves: [] }) };
  let best: Ordered = cautious;
  for (const other of others) {
    if (other.schedule.endMs < best.schedule.endMs) best = other;
  }
  const isClose = cautious.schedule.endMs <= best.schedule.endMs * (1 + CAUTION_SHARE);
  return isClose ? cautious : best;
}

/** Longest at worst first; longest as predicted; those of the busiest hosts first. */
function urgencyOrders({ moves, table, options }: ExecutionInput): Move[][] {
  const out = new Map<number, number>();
  const inward = new Map<number, number>();
  for (const { source, target, estimate } of moves) {
    out.set(source, (out.get(source) ?? 0) + estimate.slotMs / table.row(source).out.slots);
    inward.set(target, (inward.get(target) ?? 0) + estimate.slotMs / table.row(target).in.slots);
  }
  const busy = ({ source, target }: Move) =>
    Math.max(out.get(source) ?? 0, inward.get(target) ?? 0);
  const worst = new Map(moves.map((move) => [move, bandEnd(move, options, 1).slotMs]));
  const worstMs = (move: Move) => worst.get(move) ?? 0;
  const longest = moves.toSorted((one, other) => other.estimate.slotMs - one.estimate.slotMs);
  return [
    longest.toSorted((one, other) => worstMs(other) - worstMs(one)),
    longest,
    longest.toSorted((one, other) => busy(other) - busy(one)),
  ];
}
