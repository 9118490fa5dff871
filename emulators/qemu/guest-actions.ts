/**
 * What a guest does by itself, and what QEMU makes of it (QEMU system/runstate.c,
 * qemu_system_suspend, qemu_system_guest_panicked, main_loop_should_exit).
 */
import type { GuestAction } from "./catalog/guest-actions.ts";
import { emit, exitProcess, type Qemu } from "./qemu.ts";
import { failDiskAccess, stopGuest } from "./run-state.ts";

type ShutdownReason = "guest-shutdown" | "guest-reset" | "guest-panic" | "host-qmp-system-reset";

/**
 * The guest takes an action, if it runs. `times` is for `io-error`: so many accesses fail, also
 * those of a guest that starts later.
 */
export function actAsGuest(qemu: Qemu, action: GuestAction, times = 1): void {
  if (qemu.isExited) return;
  if (action === "io-error") {
    qemu.disk.failures = times;
    failDiskAccess(qemu);
    return;
  }
  if (qemu.runState !== "running") return;
  switch (action) {
    case "sleep":
      qemu.guest.stop();
      qemu.runState = "suspended";
      emit(qemu, "SUSPEND");
      return;
    case "power-off":
      shutDownGuest(qemu, true, "guest-shutdown");
      return;
    case "panic":
      panic(qemu);
      return;
    case "reset":
      resetGuest(qemu, true);
      return;
  }
}

/** The guest boots again; with `-action reboot=shutdown` it is shut down instead. */
export function resetGuest(qemu: Qemu, isByGuest: boolean): void {
  const reason = isByGuest ? "guest-reset" : "host-qmp-system-reset";
  if (qemu.options.actions.reboot === "shutdown") {
    shutDownGuest(qemu, isByGuest, reason);
    return;
  }
  qemu.guest.load({ counter: 0, ranMs: 0 });
  qemu.wasAsleep = false;
  emit(qemu, "RESET", { guest: isByGuest, reason });
  if (!["running", "inmigrate", "finish-migrate"].includes(qemu.runState)) {
    qemu.runState = "prelaunch";
  }
}

function shutDownGuest(qemu: Qemu, isByGuest: boolean, reason: ShutdownReason): void {
  emit(qemu, "SHUTDOWN", { guest: isByGuest, reason });
  if (qemu.options.actions.shutdown === "pause") stopGuest(qemu, "shutdown");
  else exitProcess(qemu, 0);
}

function panic(qemu: Qemu): void {
  const { panic: action, shutdown } = qemu.options.actions;
  if (action === "none") {
    emit(qemu, "GUEST_PANICKED", { action: "run" });
    return;
  }
  if (action === "pause" || (action === "shutdown" && shutdown === "pause")) {
    emit(qemu, "GUEST_PANICKED", { action: "pause" });
    stopGuest(qemu, "guest-panicked");
    return;
  }
  emit(qemu, "GUEST_PANICKED", { action: "poweroff" });
  stopGuest(qemu, "guest-panicked");
  emit(qemu, "SHUTDOWN", { guest: true, reason: "guest-panic" });
  exitProcess(qemu, action === "exit-failure" ? 1 : 0);
}
