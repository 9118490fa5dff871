import type { ExecutionInput } from "./execution.ts";
import type { Move } from "./move.ts";
import { type Schedule, schedule } from "./schedule.ts";

export type Ordered = { readonly moves: readonly Move[]; readonly schedule: Schedule };

/** The order of the moves that ends first, of the orders that are tried. */
export function byUrgency(input: ExecutionInput): Ordered {
  let best: Ordered | undefined;
  for (const moves of urgencyOrders(input)) {
    const found = { moves, schedule: schedule({ ...input, moves }) };
    if (best === undefined || found.schedule.endMs < best.schedule.endMs) best = found;
  }
  return best ?? { moves: [], schedule: schedule({ ...input, moves: [] }) };
}

/** Longest first; and those of the busiest host first, of whose the longest first. */
function urgencyOrders({ moves, table }: ExecutionInput): Move[][] {
  const out = new Map<number, number>();
  const inward = new Map<number, number>();
  for (const { source, target, estimate } of moves) {
    out.set(source, (out.get(source) ?? 0) + estimate.slotMs / table.row(source).out.slots);
    inward.set(target, (inward.get(target) ?? 0) + estimate.slotMs / table.row(target).in.slots);
  }
  const busy = ({ source, target }: Move) =>
    Math.max(out.get(source) ?? 0, inward.get(target) ?? 0);
  const longest = moves.toSorted((one, other) => other.estimate.slotMs - one.estimate.slotMs);
  return [longest, longest.toSorted((one, other) => busy(other) - busy(one))];
}
