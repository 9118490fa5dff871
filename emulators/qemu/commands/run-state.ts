import { atLeast } from "../catalog/version.ts";
import { emit, exitProcess, type Qemu, type RunState, startGuest, stopGuest } from "../qemu.ts";
import { type Commands, QmpError } from "../qmp/command.ts";
import type { Json } from "../qmp/text.ts";

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
      return {};
    },
  },
  system_reset: {
    arguments: {},
    run(qemu) {
      emit(qemu, "RESET", { guest: false, reason: "host-qmp-system-reset" });
      return {};
    },
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
  if (qemu.runState === "running") stopGuest(qemu, "paused");
  return {};
}

const finalStates: readonly RunState[] = ["finish-migrate"];

function cont(qemu: Qemu): Json {
  if (qemu.runState === "inmigrate") {
    qemu.isAutostart = true;
    return {};
  }
  if (finalStates.includes(qemu.runState)) throw new QmpError("Migration is not finalized yet");
  // After `completed` this starts the guest a second time: QEMU does not prevent it.
  if (qemu.runState !== "running") startGuest(qemu);
  return {};
}
