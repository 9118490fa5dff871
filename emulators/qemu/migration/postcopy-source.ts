import { atLeast } from "../catalog/version.ts";
import { holdMainLoop, type Qemu, releaseMainLoop } from "../qemu.ts";
import type { Task } from "../task.ts";
import { deviceState, stopForSwitchover } from "./completion.ts";
import { connectMain } from "./connecting.ts";
import { endWell } from "./ending.ts";
import type { Attempt } from "./outgoing-state.ts";
import { syncDirty } from "./pending.ts";
import { sendRam } from "./ram-source.ts";
import {
  limitLeftBytes,
  linkBytesPerSecond,
  PERIOD_MS,
  StreamError,
  sendNow,
  transmit,
  waitOnStream,
} from "./sending.ts";
import { setStatus } from "./transition.ts";

const DEVICE_BYTES = 200_000;

/**
 * The switchover of postcopy: the target runs while RAM is still on the source. From
 * postcopy-active on the source can never run again, so a broken stream pauses the migration
 * instead of ending it.
 */
export function* runPostcopy(qemu: Qemu, attempt: Attempt): Task {
  // 7.2 emits the new state before the guest is stopped.
  const isPausing = qemu.capabilities["pause-before-switchover"] === true;
  const tellsEarly = !atLeast(qemu.version, "8.0") && !isPausing;
  if (tellsEarly) setStatus(qemu, "outgoing", "postcopy-active");
  yield* stopForSwitchover(qemu, attempt);
  if (atLeast(qemu.version, "10.0")) setStatus(qemu, "outgoing", "device");
  holdMainLoop(qemu, "switchover");
  syncDirty(qemu, attempt);
  if (attempt.main) {
    const state = deviceState(qemu, attempt);
    const ramBytes = qemu.ram.pendingBytes();
    const frame = { type: "postcopy-run", state, ramBytes, bytes: DEVICE_BYTES } as const;
    yield* transmit(qemu, attempt, attempt.main, frame, 0.5);
  }
  releaseMainLoop(qemu, "switchover");
  if (atLeast(qemu.version, "10.2") && qemu.capabilities["return-path"]) {
    setStatus(qemu, "outgoing", "postcopy-device");
    const { pongs } = attempt;
    sendNow(attempt, { type: "ping", value: 4 });
    yield* waitOnStream(attempt, { until: () => attempt.pongs > pongs });
  }
  attempt.isPostcopy = true;
  attempt.downtimeMs = qemu.clock.nowMs() - (attempt.stoppedMs ?? 0);
  if (!tellsEarly) setStatus(qemu, "outgoing", "postcopy-active");
  while (!(yield* tryToFinish(qemu, attempt))) yield* recover(qemu, attempt);
  endWell(qemu, attempt);
}

/** Sends the rest; false when the stream broke. */
function* tryToFinish(qemu: Qemu, attempt: Attempt): Task<boolean> {
  try {
    for (;;) {
      const leftBytes = limitLeftBytes(qemu, attempt, true);
      if (leftBytes <= 0) {
        yield* waitOnStream(attempt, { deadlineMs: attempt.rate.limitStartMs + PERIOD_MS });
        continue;
      }
      const sliceBytes = Math.min(leftBytes, linkBytesPerSecond(qemu, attempt) / 100);
      if (!(yield* sendRam(qemu, attempt, sliceBytes))) break;
    }
    sendNow(attempt, { type: "end" });
    if (qemu.capabilities["return-path"]) {
      yield* waitOnStream(attempt, { until: () => attempt.shut === true });
    }
    return true;
  } catch (error) {
    if (!(error instanceof StreamError) || attempt.isCancelled) throw error;
    return false;
  }
}

/** Waits, paused, until `migrate` with `resume` provides a working connection. */
function* recover(qemu: Qemu, attempt: Attempt): Task {
  for (;;) {
    for (const close of qemu.outgoing.closers) close();
    qemu.outgoing.closers.clear();
    attempt.isResumed = false;
    setStatus(qemu, "outgoing", "postcopy-paused");
    yield { until: () => attempt.isResumed || attempt.isCancelled };
    if (attempt.isCancelled) throw new StreamError("cancelled");
    qemu.outgoing.errorDesc = undefined;
    attempt.brokenBy = undefined;
    attempt.isResumeAcked = false;
    try {
      if (atLeast(qemu.version, "9.1")) setStatus(qemu, "outgoing", "postcopy-recover-setup");
      yield* connectMain(qemu, attempt);
      setStatus(qemu, "outgoing", "postcopy-recover");
      sendNow(attempt, { type: "resume", ramBytes: qemu.ram.pendingBytes() });
      yield* waitOnStream(attempt, { until: () => attempt.isResumeAcked });
      setStatus(qemu, "outgoing", "postcopy-active");
      return;
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      qemu.outgoing.errorDesc = error.message;
    }
  }
}
