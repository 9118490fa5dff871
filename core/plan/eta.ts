import { drawTimes, type Errors } from "./draws.ts";
import {
  estimateMove,
  isLearned,
  KNOWN_SPREAD,
  type MoveEstimate,
  UNKNOWN_SPREAD,
} from "./estimate.ts";
import type { ExecutionInput } from "./execution.ts";
import type { Move } from "./move.ts";
import { type Schedule, schedule } from "./schedule.ts";

export type EtaBand = { readonly ms: number; readonly lowMs: number; readonly highMs: number };

/**
 * The predicted end, and the ends if all guests had less, or more, to send than predicted: by a factor
 * of two for those that have moved before, of four for the others; never more than their memory.
 */
export function etaBand(input: ExecutionInput, { endMs }: Schedule): EtaBand {
  const end = (direction: 1 | -1) =>
    schedule(input, (move) => bandEnd(move, input.options, direction)).endMs;
  return { ms: endMs, lowMs: Math.min(endMs, end(-1)), highMs: Math.max(endMs, end(1)) };
}

/** A migration that is over: its real and predicted times, ms. Tries that failed count in `realMs`. */
export type Done = {
  readonly realMs: number;
  readonly predictedMs: number;
  readonly preparedMs: number;
  readonly predictedPrepareMs: number;
};

/** An evacuation underway, as far as its end depends on it. */
export type Underway = {
  /** With what has not started as `moves`, and what is in flight as `held`. */
  readonly input: Parameters<typeof schedule>[0];
  /** For how long a migration has been prepared, ms; infinite: it is ready. */
  readonly preparingMs: (move: Move) => number;
  readonly done: readonly Done[];
};

/** Migrations that the predictions are taken to be right in, before any is over. */
const PRIOR_MOVES = 3;
/** The rest is played with so many draws, fewer of a large rest. */
const DRAWS_MAX = 15;
/** Bounds the work: draws × migrations. */
const DRAWN_MOVES_MAX = 20_000;

/**
 * Time that an evacuation underway still takes, ms: the median end of the rest, when each migration
 * is as far from its prediction as one of those that are over. A mean error would not do: the end
 * waits for the slowest of the last ones.
 */
export function remainingMs({ input, preparingMs, done }: Underway): number {
  const { moves } = input;
  const errors = errorsOf(done);
  const affordable = Math.floor(DRAWN_MOVES_MAX / Math.max(1, moves.length));
  const count = Math.max(1, Math.min(DRAWS_MAX, affordable));
  const ends = Array.from({ length: count }, (_, seed) => {
    const drawn = drawTimes(moves, errors, seed);
    return schedule(input, (move) => {
      const { prepareMs, slotMs } = drawn(move);
      return { slotMs, prepareMs: Math.max(0, prepareMs - preparingMs(move)) };
    }).endMs;
  });
  const middle = ends.toSorted((one, other) => one - other)[count >> 1] ?? 0;
  return input.held.reduce((last, { endsInMs }) => Math.max(last, endsInMs), middle);
}

/**
 * By how much `count` migrations took longer than predicted, by their sums; 1: as long. A few say
 * little, so the prediction counts as some of them.
 */
export function biasOfSums(sums: { realMs: number; predictedMs: number; count: number }): number {
  const { realMs, predictedMs, count } = sums;
  if (count === 0 || predictedMs === 0) return 1;
  const prior = (predictedMs / count) * PRIOR_MOVES;
  return (realMs + prior) / (predictedMs + prior);
}

/** What was learned from the migrations that are over; a few say little, so predictions count too. */
export function errorsOf(done: readonly Done[]): Errors {
  const prior = Array.from({ length: PRIOR_MOVES }, () => 1);
  const factors = (real: (one: Done) => number, predicted: (one: Done) => number) => [
    ...prior,
    ...done.filter((one) => predicted(one) > 0).map((one) => real(one) / predicted(one)),
  ];
  return {
    prepare: factors(
      ({ preparedMs }) => preparedMs,
      ({ predictedPrepareMs }) => predictedPrepareMs,
    ),
    slot: factors(
      ({ realMs }) => realMs,
      ({ predictedMs }) => predictedMs,
    ),
  };
}

/** A migration if its guest has more (1), or less (-1), to send than predicted by as much as is likely. */
export function bandEnd(
  { guest, estimate }: Move,
  options: ExecutionInput["options"],
  direction: 1 | -1,
): MoveEstimate {
  const factor = (isLearned(guest.vm) ? KNOWN_SPREAD : UNKNOWN_SPREAD) ** direction;
  const pair = {
    streamBytesPerSecond: estimate.bytesPerSecond,
    downtimeLimitMs: guest.downtimeLimitMs,
  };
  return estimateMove(guest.vm, options, pair, factor);
}
