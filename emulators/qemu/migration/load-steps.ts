/** Steps that loading a precopy stream and a postcopy stream have in common. */
import { findFault } from "../faults.ts";
import type { Qemu } from "../qemu.ts";
import { findLockRefusal, isLive, startGuest } from "../run-state.ts";
import { type DeviceState, type Frame, returnType, word } from "../stream/frame.ts";
import type { Task } from "../task.ts";
import type { Inbox } from "./incoming-state.ts";

const FOOTER_MISSING = "check_section_footer: Read section footer failed: -5";

/** The stream cannot be loaded. */
export class LoadError extends Error {
  override name = "LoadError";
}

/**
 * The next frame of the main channel.
 *
 * @throws LoadError when the stream has ended or is broken
 */
export function* nextFrame(qemu: Qemu): Task<{ frame: Frame; inbox: Inbox }> {
  const { incoming } = qemu;
  const inbox = incoming.main;
  if (!inbox) throw new Error("Expected a main channel");
  const isReady = (): boolean =>
    incoming.brokenBy !== undefined ||
    (qemu.stalls === 0 && (inbox.frames.length > 0 || inbox.isClosed));
  if (!isReady()) yield { until: isReady };
  if (incoming.brokenBy !== undefined) throw new LoadError(incoming.brokenBy);
  const frame = inbox.frames.shift();
  if (!frame) throw new LoadError(inbox.hasBegun ? FOOTER_MISSING : "Not a migration stream");
  inbox.hasBegun = true;
  return { frame, inbox };
}

/**
 * Puts the guest into the state that the stream brought (QEMU migration/migration.c,
 * process_incoming_migration_bh): a live guest starts, or is paused with -S or without its disks; a
 * stopped one keeps its run state.
 */
export function startLoaded(qemu: Qemu, state: DeviceState | undefined): void {
  qemu.guest.load({ counter: state?.counter ?? 0, ranMs: state?.ranMs ?? 0 });
  const runState = state?.runState ?? "running";
  if (!isLive(qemu, runState)) {
    qemu.runState = runState;
    return;
  }
  qemu.wasAsleep = runState === "suspended";
  if (qemu.isAutostart && findLockRefusal(qemu) === undefined) startGuest(qemu);
  else qemu.runState = "paused";
}

/**
 * Sends SHUT, the last message of the return path. A fault can lose it, and the connection with it.
 */
export function shutReturnPath(qemu: Qemu): void {
  const { incoming } = qemu;
  const isLost = findFault(qemu.faults, "drop-shut") !== undefined;
  if (incoming.hasReturnPath && !isLost) incoming.main?.inlet.reply(returnType.shut, word(0));
  for (const close of incoming.closers) close();
  incoming.closers.clear();
}

export function closeListener(qemu: Qemu): void {
  qemu.incoming.listener?.close();
  qemu.incoming.listener = undefined;
  qemu.incoming.addresses = [];
}
