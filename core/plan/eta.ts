import { estimateMove, isLearned, KNOWN_SPREAD, UNKNOWN_SPREAD } from "./estimate.ts";
import type { ExecutionInput } from "./execution.ts";
import type { Move } from "./move.ts";
import { type Schedule, schedule } from "./schedule.ts";

export type EtaBand = { readonly ms: number; readonly lowMs: number; readonly highMs: number };

/**
 * The predicted end, and the ends if all guests wrote less, or more, than predicted: by a factor of
 * two for those that have moved before, of four for the others.
 */
export function etaBand(input: ExecutionInput, { endMs }: Schedule): EtaBand {
  const end = (direction: 1 | -1) =>
    schedule(input, (move) => slotMsOf(input, move, direction)).endMs;
  return { ms: endMs, lowMs: Math.min(endMs, end(-1)), highMs: Math.max(endMs, end(1)) };
}

function slotMsOf({ options }: ExecutionInput, move: Move, direction: 1 | -1): number {
  const { guest, estimate } = move;
  const factor = (isLearned(guest.vm) ? KNOWN_SPREAD : UNKNOWN_SPREAD) ** direction;
  const pair = {
    streamBytesPerSecond: estimate.bytesPerSecond,
    downtimeLimitMs: guest.downtimeLimitMs,
  };
  return estimateMove(guest.vm, options, pair, factor).slotMs;
}
