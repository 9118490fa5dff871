import { drawTimes, usualErrors } from "./draws.ts";
import type { ExecutionInput } from "./execution.ts";
import type { Move } from "./move.ts";
import { type Schedule, schedule } from "./schedule.ts";
import { sum } from "./sums.ts";
import { urgencyOrders } from "./urgency-orders.ts";

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
  const orders = urgencyOrders(input);
  const affordable = Math.floor(TRIED_MOVES_MAX / Math.max(1, input.moves.length));
  const draws = Math.max(1, Math.min(DRAWS_MAX, Math.floor(affordable / orders.length) - 1));
  const times = Array.from({ length: draws }, (_, seed) =>
    drawTimes(input.moves, usualErrors, seed),
  );
  const [first = [], ...others] = orders.slice(
    0,
    Math.max(1, Math.floor(affordable / (draws + 1))),
  );
  const endMs = (moves: readonly Move[]) => {
    const drawnMs = sum(times, (drawn) => schedule({ ...input, moves }, drawn).endMs);
    return schedule({ ...input, moves }).endMs + drawnMs / times.length;
  };
  let best: readonly Move[] = first;
  let leastMs = others.length === 0 ? 0 : endMs(first);
  for (const moves of others) {
    const ms = endMs(moves);
    if (ms >= leastMs * (1 - WORTH_SHARE)) continue;
    best = moves;
    leastMs = ms;
  }
  return { moves: best, schedule: schedule({ ...input, moves: best }) };
}
