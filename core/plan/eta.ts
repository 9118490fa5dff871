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
    schedule(input, (move) => bandEnd(move, input.options, direction).slotMs).endMs;
  return { ms: endMs, lowMs: Math.min(endMs, end(-1)), highMs: Math.max(endMs, end(1)) };
}

/** An evacuation underway, as far as its end depends on it. */
export type Underway = {
  /** With what has not started as `moves`, and what is in flight as `held`. */
  readonly input: Parameters<typeof schedule>[0];
  readonly isPrepared: (move: Move) => boolean;
  /** Real and predicted times of the migrations that are over, ms. */
  readonly done: readonly { readonly realMs: number; readonly predictedMs: number }[];
};

/** Migrations that the predictions are taken to be right in, before any is over. */
const PRIOR_MOVES = 3;

/**
 * By how much migrations take longer than predicted so far; 1: as long. A few migrations say little,
 * so the prediction counts as some of them.
 */
export function biasOf(done: Underway["done"]): number {
  const sums = { realMs: 0, predictedMs: 0, count: done.length };
  for (const { realMs, predictedMs } of done) {
    sums.realMs += realMs;
    sums.predictedMs += predictedMs;
  }
  return biasOfSums(sums);
}

/** {@link biasOf} of `count` migrations by their sums. */
export function biasOfSums(sums: { realMs: number; predictedMs: number; count: number }): number {
  const { realMs, predictedMs, count } = sums;
  if (count === 0 || predictedMs === 0) return 1;
  const prior = (predictedMs / count) * PRIOR_MOVES;
  return (realMs + prior) / (predictedMs + prior);
}

/** Time that an evacuation underway still takes, ms, by what it has shown so far. */
export function remainingMs({ input, isPrepared, done }: Underway): number {
  const bias = biasOf(done);
  const moves = input.moves.map((move) =>
    isPrepared(move) ? { ...move, estimate: { ...move.estimate, prepareMs: 0 } } : move,
  );
  const { endMs } = schedule({ ...input, moves }, ({ estimate }) => estimate.slotMs * bias);
  return input.held.reduce((last, { endsInMs }) => Math.max(last, endsInMs), endMs);
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
