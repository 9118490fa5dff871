import { atLeast, parseVersion } from "../catalog/version.ts";
import { emit, holdMainLoop, type Qemu, releaseMainLoop } from "../qemu.ts";
import { isLive, stopGuest, wakeGuest } from "../run-state.ts";
import type { DeviceState } from "../stream/frame.ts";
import type { Task } from "../task.ts";
import { endWell } from "./ending.ts";
import type { Attempt } from "./outgoing-state.ts";
import { asksAnew, syncDirty } from "./pending.ts";
import { sendRam } from "./ram-source.ts";
import { linkBytesPerSecond, StreamError, sendNow, transmit, waitOnStream } from "./sending.ts";
import { setStatus } from "./transition.ts";
import { askedDuringSwitchover, saveVfio } from "./vfio-source.ts";

/** Time that QEMU needs to stop a guest, and to save the devices that it emulates. */
const STOP_MS = 1;
const SAVE_DEVICES_MS = 0.5;
const DEVICE_BYTES = 200_000;

/** Stops the guest, sends the rest, and waits until the target reports that it has everything. */
export function* completePrecopy(qemu: Qemu, attempt: Attempt): Task {
  yield* stopForSwitchover(qemu, attempt);
  if (showsDevice(qemu)) setStatus(qemu, "outgoing", "device");
  holdMainLoop(qemu, "switchover");
  const machine = qemu.machineType.release;
  if (atLeast(qemu.version, "10.0") && machine && atLeast(parseVersion(machine), "10.0")) {
    qemu.trace("savevm_send_switchover_start");
    sendNow(attempt, { type: "switchover-start" });
  }
  // 11.0 and later read the dirty log here without counting it as a pass.
  if (asksAnew(qemu)) qemu.ram.sync();
  else syncDirty(qemu, attempt);
  const asked = askedDuringSwitchover(qemu, attempt);
  if (asked > 0) {
    throw new StreamError(`Switchover ACK was requested by ${asked} devices during switchover`);
  }
  const saving = saveVfio(qemu, attempt);
  yield* sendAllRam(qemu, attempt);
  yield* saving.finish();
  if (attempt.bitmaps.length > 0) sendNow(attempt, { type: "bitmaps", names: attempt.bitmaps });
  const state = deviceState(qemu, attempt);
  if (attempt.main) {
    const frame = { type: "devices", state, bytes: DEVICE_BYTES } as const;
    yield* transmit(qemu, attempt, attempt.main, frame, SAVE_DEVICES_MS);
  }
  sendNow(attempt, { type: "end" });
  attempt.isSent = true;
  releaseMainLoop(qemu, "switchover");
  if (qemu.capabilities["return-path"]) {
    yield* waitOnStream(attempt, { until: () => attempt.shut === true });
  }
  endWell(qemu, attempt);
}

/** Stops the guest; with pause-before-switchover, then waits for migrate-continue. */
export function* stopForSwitchover(qemu: Qemu, attempt: Attempt): Task {
  // Before 9.0 a migration wakes a sleeping guest up.
  const wakes = qemu.runState === "suspended" && !atLeast(qemu.version, "9.0");
  if (wakes) wakeGuest(qemu);
  attempt.wasRunning = isLive(qemu, qemu.runState);
  attempt.stoppedMs = qemu.clock.nowMs();
  attempt.stoppedState = qemu.runState;
  holdMainLoop(qemu, "switchover");
  stopGuest(qemu, "finish-migrate");
  yield { deadlineMs: qemu.clock.nowMs() + STOP_MS };
  releaseMainLoop(qemu, "switchover");
  const pauses = qemu.capabilities["pause-before-switchover"] === true;
  if (pauses) setStatus(qemu, "outgoing", "pre-switchover");
  if (wakes) emit(qemu, "WAKEUP");
  if (!pauses) return;
  // Nothing reads the stream here: the death of the target is noticed only after the wait.
  yield { until: () => attempt.isContinued || attempt.isCancelled };
  if (attempt.isCancelled) throw new StreamError("cancelled");
}

/** What the target must know to be the same machine. */
export function deviceState(qemu: Qemu, attempt: Attempt): DeviceState {
  return {
    counter: qemu.guest.counter,
    ranMs: qemu.guest.ranMs(),
    runState: attempt.stoppedState ?? "running",
    devices: qemu.devices.map(({ driver, id }) => `${id ?? ""}/${driver}`),
  };
}

function* sendAllRam(qemu: Qemu, attempt: Attempt): Task {
  // The rate limit no longer applies.
  const sliceBytes = linkBytesPerSecond(qemu, attempt) / 100;
  while (yield* sendRam(qemu, attempt, sliceBytes));
}

/** The releases that show `device` between the switchover and the end. */
function showsDevice(qemu: Qemu): boolean {
  return atLeast(qemu.version, "10.0") || qemu.capabilities["pause-before-switchover"] === true;
}
