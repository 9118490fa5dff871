import { listBitmaps } from "../block.ts";
import { atLeast } from "../catalog/version.ts";
import { type Qemu, releaseMainLoop, reportError } from "../qemu.ts";
import { findLockRefusal, startGuest } from "../run-state.ts";
import type { Attempt } from "./outgoing-state.ts";
import { StreamError } from "./sending.ts";
import { setStatus } from "./transition.ts";

/** Completes the migration on the source: the target has everything. */
export function endWell(qemu: Qemu, attempt: Attempt): void {
  attempt.endedMs = qemu.clock.nowMs();
  attempt.downtimeMs ??= attempt.endedMs - (attempt.stoppedMs ?? attempt.endedMs);
  qemu.runState = "postmigrate";
  release(qemu);
  setStatus(qemu, "outgoing", "completed");
}

/**
 * Ends a migration that failed or was cancelled. A guest that was running at the switchover runs
 * again: QEMU does that by itself, and no command in between prevents it.
 */
export function endBadly(qemu: Qemu, attempt: Attempt, error: unknown): void {
  if (!(error instanceof StreamError)) throw error;
  attempt.endedMs = qemu.clock.nowMs();
  releaseMainLoop(qemu, "switchover");
  release(qemu);
  if (attempt.isCancelled) {
    qemu.outgoing.errorDesc ??= "Channel error: Input/output error";
    resume(qemu, attempt);
    setStatus(qemu, "outgoing", "cancelled");
    return;
  }
  // 7.2 reports no error after the guest was stopped.
  if (atLeast(qemu.version, "8.0") || attempt.stoppedMs === undefined) {
    qemu.outgoing.errorDesc ??= error.message;
    reportError(qemu, qemu.outgoing.errorDesc);
  }
  // Both the multifd threads and the main thread report it, once there was something to send.
  const isTwofold = attempt.multifd.length > 0 && attempt.setupMs !== undefined;
  if (!atLeast(qemu.version, "11.0")) {
    setStatus(qemu, "outgoing", "failed");
    if (isTwofold) setStatus(qemu, "outgoing", "failed");
    resume(qemu, attempt);
    return;
  }
  setStatus(qemu, "outgoing", "failing");
  if (isTwofold) setStatus(qemu, "outgoing", "failing");
  resume(qemu, attempt);
  setStatus(qemu, "outgoing", "failed");
}

function resume(qemu: Qemu, attempt: Attempt): void {
  if (qemu.runState !== "finish-migrate") return;
  // 7.2 can be cancelled in postcopy: the guest already belongs to the target then.
  if (attempt.isPostcopy) {
    qemu.runState = "postmigrate";
    return;
  }
  if (!attempt.wasRunning) {
    const before = attempt.stoppedState ?? "paused";
    qemu.runState = atLeast(qemu.version, "8.0") ? before : "postmigrate";
    return;
  }
  // Without its disk's lock the guest must not run; 10.1 and older start it all the same.
  if (findLockRefusal(qemu) !== undefined && atLeast(qemu.version, "10.2")) return;
  startGuest(qemu);
}

function release(qemu: Qemu): void {
  qemu.guest.throttle(0);
  for (const { bitmap } of listBitmaps(qemu.block)) bitmap.isBusy = false;
  for (const close of qemu.outgoing.closers) close();
  qemu.outgoing.closers.clear();
}
