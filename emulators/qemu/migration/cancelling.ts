import { isIdle, isPostcopy } from "../catalog/statuses.ts";
import { atLeast } from "../catalog/version.ts";
import { type Qemu, releaseMainLoop } from "../qemu.ts";
import { QmpError } from "../qmp/command.ts";
import { breakStream } from "./connecting.ts";
import type { Attempt } from "./outgoing-state.ts";
import { linkBytesPerSecond } from "./sending.ts";
import { setStatus } from "./transition.ts";

/**
 * migrate_cancel. Usually the migration ends as `cancelled`; sometimes it fails first, because its
 * thread sees the closed stream before the new state. In both cases the guest keeps running.
 */
export function cancelMigration(qemu: Qemu): void {
  const { outgoing } = qemu;
  const { attempt, status } = outgoing;
  if (!attempt || isIdle(status) || status === "cancelling") return;
  if (isPostcopy(status) && atLeast(qemu.version, "8.0")) {
    throw new QmpError("Postcopy migration in progress, cannot cancel.");
  }
  if (status === "active" && qemu.random.chance(failChance(qemu, attempt))) {
    closeStreams(qemu);
    breakStream(qemu, attempt, "Channel error: Input/output error");
    return;
  }
  setStatus(qemu, "outgoing", "cancelling");
  attempt.isCancelled = true;
  // A thread whose multifd channels were never accepted does not notice: only yank ends it.
  if (isStuck(attempt)) return;
  closeStreams(qemu);
  qemu.clock.after(1, () => breakStream(qemu, attempt, "Channel error: Input/output error"));
}

/** yank: shuts every migration connection, whatever waits for it, but none in a TLS handshake. */
export function yankMigration(qemu: Qemu): void {
  const attempt = qemu.outgoing.handshakes.size > 0 ? undefined : qemu.outgoing.attempt;
  closeStreams(qemu);
  for (const close of qemu.incoming.closers) close();
  releaseMainLoop(qemu, "multifd");
  if (attempt) breakStream(qemu, attempt, "Channel error: Input/output error");
  qemu.tasks.poke();
}

/** migrate-pause, on either side of a postcopy migration. */
export function pausePostcopy(qemu: Qemu): void {
  const states = atLeast(qemu.version, "8.2")
    ? ["postcopy-active", "postcopy-recover"]
    : ["postcopy-active"];
  const isHere = [qemu.outgoing.status, qemu.incoming.status].some((status) =>
    states.includes(status),
  );
  if (!isHere) {
    throw new QmpError(
      `migrate-pause is currently only supported during ${states.join(" or ")} state`,
    );
  }
  yankMigration(qemu);
}

/** Whether there is a migration whose connections `yank` can shut. */
export function canYank(qemu: Qemu): boolean {
  const { incoming, outgoing } = qemu;
  const isTarget = incoming.isStarted && !["completed", "failed"].includes(incoming.status);
  return isTarget || !isIdle(outgoing.status);
}

/** Observed: 10.0 4 of 10 with a busy guest, 1 of 10 with an idle one; 7.2 1 of 10; 11.1 none. */
function failChance(qemu: Qemu, attempt: Attempt): number {
  const { cancelFailsChance, dirtyBytesPerSecond } = qemu.knobs;
  if (cancelFailsChance !== undefined) return cancelFailsChance;
  if (atLeast(qemu.version, "11.0")) return 0;
  const isBusy = dirtyBytesPerSecond > linkBytesPerSecond(qemu, attempt) / 20;
  if (!atLeast(qemu.version, "8.0")) return isBusy ? 0.1 : 0;
  return isBusy ? 0.4 : 0.1;
}

function isStuck({ multifd }: Attempt): boolean {
  // The target has read the hello frames, and nothing else.
  return (
    multifd.length > 0 &&
    multifd.some(
      (outlet) => outlet.isAccepted() && outlet.inFlightBytes() > 0 && outlet.takenFrames() <= 1,
    )
  );
}

function closeStreams(qemu: Qemu): void {
  for (const close of qemu.outgoing.closers) close();
}
