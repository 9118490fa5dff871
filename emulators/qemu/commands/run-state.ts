import { atLeast } from "../catalog/version.ts";
import { actAsGuest, resetGuest } from "../guest-actions.ts";
import type { Actions } from "../options.ts";
import { emit, exitProcess, type Qemu } from "../qemu.ts";
import { type Commands, QmpError } from "../qmp/command.ts";
import type { Json, JsonObject } from "../qmp/text.ts";
import { findLockRefusal, isLive, startGuest, stopGuest, wakeGuest } from "../run-state.ts";

/** Time that a guest which obeys system_powerdown needs to shut down. */
const POWERDOWN_MS = 100;

/** Commands that start, stop and end the guest. */
export const runStateCommands: Commands = {
  "query-status": {
    arguments: {},
    run: ({ runState, version }) => ({
      status: runState,
      ...(atLeast(version, "8.1") ? {} : { singlestep: false }),
      running: runState === "running",
    }),
  },
  stop: { arguments: {}, run: stop },
  cont: { arguments: {}, run: cont },
  quit: {
    arguments: {},
    run(qemu) {
      // The answer is sent before the process exits.
      qemu.clock.after(1, () => shutDown(qemu, "host-qmp-quit"));
      return {};
    },
  },
  system_powerdown: {
    arguments: {},
    run(qemu) {
      emit(qemu, "POWERDOWN");
      if (qemu.knobs.obeysPowerdown) {
        qemu.clock.after(POWERDOWN_MS, () => actAsGuest(qemu, "power-off"));
      }
      return {};
    },
  },
  system_reset: {
    arguments: {},
    run(qemu) {
      qemu.clock.after(1, () => {
        if (!qemu.isExited) resetGuest(qemu, false);
      });
      return {};
    },
  },
  system_wakeup: { arguments: {}, run: wakeUp },
  "query-current-machine": {
    arguments: {},
    run: () => ({ "wakeup-suspend-support": true }),
  },
  "set-action": {
    arguments: {
      reboot: { type: ["reset", "shutdown"], optional: true },
      shutdown: { type: ["poweroff", "pause"], optional: true },
      panic: { type: ["pause", "shutdown", "exit-failure", "none"], optional: true },
      watchdog: { type: "str", optional: true },
    },
    run: setAction,
  },
};

/** Ends the process as `quit` and signals do. Exit code 0. */
export function shutDown(qemu: Qemu, reason: "host-qmp-quit" | "host-signal"): void {
  if (qemu.isExited) return;
  emit(qemu, "SHUTDOWN", { guest: false, reason });
  exitProcess(qemu, 0);
}

function stop(qemu: Qemu): Json {
  if (qemu.runState === "inmigrate") {
    qemu.isAutostart = false;
    return {};
  }
  if (isLive(qemu, qemu.runState)) stopGuest(qemu, "paused");
  return {};
}

/** After `completed` this starts the guest a second time: QEMU does not prevent it. */
function cont(qemu: Qemu): Json {
  if (qemu.runState === "inmigrate") {
    qemu.isAutostart = true;
    return {};
  }
  if (qemu.runState === "shutdown") throw new QmpError("Resetting the Virtual Machine is required");
  if (qemu.runState === "suspended") return {};
  if (qemu.runState === "finish-migrate") throw new QmpError("Migration is not finalized yet");
  if (qemu.runState === "running") return {};
  const refusal = findLockRefusal(qemu);
  if (refusal !== undefined) throw new QmpError(refusal);
  startGuest(qemu);
  return {};
}

function wakeUp(qemu: Qemu): Json {
  if (qemu.runState !== "suspended") {
    throw new QmpError("Unable to wake up: guest is not in suspended state");
  }
  wakeGuest(qemu);
  emit(qemu, "WAKEUP");
  return {};
}

function setAction(qemu: Qemu, { reboot, shutdown, panic }: JsonObject): Json {
  // The types were checked against the lists above.
  Object.assign(qemu.options.actions, {
    ...(reboot === undefined ? {} : { reboot }),
    ...(shutdown === undefined ? {} : { shutdown }),
    ...(panic === undefined ? {} : { panic }),
  } as Partial<Actions>);
  return {};
}
