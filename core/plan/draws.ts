import type { Move } from "./move.ts";
import { random } from "./random.ts";
import type { MoveTimes } from "./schedule.ts";

/** By which factors the real times differ from the predicted ones, as a list to draw from. */
export type Errors = { readonly prepare: readonly number[]; readonly slot: readonly number[] };

/** Eight equally likely values of a log-normal factor with median 1 and sigma 0.5. */
const usual = [0.465, 0.642, 0.783, 0.924, 1.082, 1.276, 1.558, 2.15] as const;

/** Before anything has been learned from the plan itself. */
export const usualErrors: Errors = { prepare: usual, slot: usual };

/** Times of migrations with errors drawn for each; the same for the same seed. */
export function drawTimes(
  moves: readonly Move[],
  errors: Errors,
  seed: number,
): (move: Move) => MoveTimes {
  const draw = random(seed + 1);
  const pick = (list: readonly number[]) => list[Math.floor(draw.next() * list.length)] ?? 1;
  const times = new Map(
    moves.map((move) => {
      const { prepareMs, slotMs } = move.estimate;
      return [
        move,
        { prepareMs: prepareMs * pick(errors.prepare), slotMs: slotMs * pick(errors.slot) },
      ];
    }),
  );
  return (move) => times.get(move) ?? move.estimate;
}
