import { atLeast } from "../catalog/version.ts";
import type { Qemu } from "../qemu.ts";
import { type DeviceState, returnType, word } from "../stream/frame.ts";
import { sleep, type Task } from "../task.ts";
import { closeListener, LoadError, nextFrame, shutReturnPath, startLoaded } from "./load-steps.ts";
import { setStatus } from "./transition.ts";

/** Runs the guest while its RAM is still arriving. */
export function* runPostcopyTarget(qemu: Qemu, state: DeviceState, ramBytes: number): Task {
  const { incoming } = qemu;
  incoming.missingBytes = ramBytes;
  if (atLeast(qemu.version, "10.2")) setStatus(qemu, "incoming", "postcopy-device");
  yield* sleep(qemu.clock, 1.5);
  setStatus(qemu, "incoming", "postcopy-active");
  startLoaded(qemu, state);
  while (!(yield* receiveRest(qemu))) yield* awaitRecovery(qemu);
  closeListener(qemu);
  setStatus(qemu, "incoming", "completed");
  shutReturnPath(qemu);
}

/** Receives pages; false when the stream broke before the last. */
function* receiveRest(qemu: Qemu): Task<boolean> {
  try {
    for (;;) {
      const { frame, inbox } = yield* nextFrame(qemu);
      if (frame.type === "end") return true;
      if (frame.type === "ram") qemu.incoming.missingBytes -= frame.bytes;
      if (frame.type === "ping") inbox.inlet.reply(returnType.pong, word(frame.value));
      if (frame.type === "resume") {
        setStatus(qemu, "incoming", "postcopy-recover");
        inbox.inlet.reply(returnType.resumeAck, word(1));
        setStatus(qemu, "incoming", "postcopy-active");
        if (qemu.incoming.isGuestStalled) qemu.guest.start();
        qemu.incoming.isGuestStalled = false;
      }
      inbox.inlet.credit(frame);
    }
  } catch (error) {
    if (error instanceof LoadError) return false;
    throw error;
  }
}

/** The guest blocks at its first missing page; the run state does not show it. */
function* awaitRecovery(qemu: Qemu): Task {
  const { incoming } = qemu;
  const broken = incoming.main;
  incoming.brokenBy = undefined;
  incoming.isGuestStalled = qemu.guest.isRunning;
  qemu.guest.stop();
  for (const close of incoming.closers) close();
  incoming.closers.clear();
  setStatus(qemu, "incoming", "postcopy-paused");
  yield { until: () => incoming.main !== broken };
}
