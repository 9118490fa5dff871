import { drawTimes, usualErrors } from "./draws.ts";
import type { ExecutionInput } from "./execution.ts";
import type { Move } from "./move.ts";
import { type Schedule, schedule } from "./schedule.ts";
import { sum } from "./sums.ts";
import { ORDERS, urgencyOrders } from "./urgency-orders.ts";

export type Ordered = { readonly moves: readonly Move[]; readonly schedule: Schedule };

/** Each order is tried with so many draws of errors of the predictions. */
const DRAWS_MAX = 4;
/** Bounds the work: orders × draws × migrations. */
const TRIED_MOVES_MAX = 20_000;
/** Another order is taken if it ends earlier by this share. */
const WORTH_SHARE = 0.001;

/**
 * Tries a few orders, each as predicted and with several draws of how wrong the predictions may be,
 * and takes the one that ends the earliest. An order that is the best only if each prediction is
 * right leaves a slot idle whenever one is not.
 */
export function byUrgency(input: ExecutionInput): Ordered {
  const affordable = Math.floor(TRIED_MOVES_MAX / Math.max(1, input.moves.length));
  const draws = Math.max(1, Math.min(DRAWS_MAX, Math.floor(affordable / ORDERS) - 1));
  const times = Array.from({ length: draws }, (_, seed) =>
    drawTimes(input.moves, usualErrors, seed),
  );
  const endMs = (moves: readonly Move[]) => {
    const drawnMs = sum(times, (drawn) => schedule({ ...input, moves }, drawn).endMs);
    return schedule({ ...input, moves }).endMs + drawnMs / times.length;
  };
  const count = Math.floor(affordable / (draws + 1));
  let best: readonly Move[] | undefined;
  let leastMs = Number.POSITIVE_INFINITY;
  let tried = 0;
  for (const moves of urgencyOrders(input)) {
    tried += 1;
    // One order needs no comparison.
    const ms = count < 2 ? 0 : endMs(moves);
    if (ms < leastMs * (1 - WORTH_SHARE)) {
      best = moves;
      leastMs = ms;
    }
    if (tried >= count) break;
  }
  return { moves: best ?? [], schedule: schedule({ ...input, moves: best ?? [] }) };
}
