import type { Counters, MoveState } from "./counters.ts";

export function noCounters(): Counters {
  return {
    total: 0,
    noticed: 0,
    waiting: 0,
    moving: 0,
    retrying: 0,
    moved: 0,
    unplaced: 0,
    failed: 0,
    skipped: 0,
    gone: 0,
  };
}

/** States in which something is still to be done for the VM. */
export const openStates: readonly MoveState[] = ["noticed", "waiting", "moving", "retrying"];

export function isOpen(state: MoveState): boolean {
  return openStates.includes(state);
}

/** Moves of which none has ended. */
export function openCount({ noticed, waiting, moving, retrying }: Counters): number {
  return noticed + waiting + moving + retrying;
}

/** VMs that a host to be emptied keeps. */
export function remainderCount({ unplaced, failed, skipped }: Counters): number {
  return unplaced + failed + skipped;
}

/** The counters after what has not begun is given up: it counts as skipped. */
export function withoutWaiting(counters: Counters): Counters {
  const { noticed, waiting, retrying } = counters;
  const skipped = counters.skipped + noticed + waiting + retrying;
  return { ...counters, noticed: 0, waiting: 0, retrying: 0, skipped };
}
