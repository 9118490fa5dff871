/**
 * The run state: what starts and stops the guest, and with which events (QEMU system/cpus.c,
 * do_vm_stop and vm_prepare_start).
 */
import type { RunState } from "./catalog/run-states.ts";
import { atLeast } from "./catalog/version.ts";
import { emit, exitProcess, type Qemu, reportError } from "./qemu.ts";

/** Exit code of a process that has aborted: signal 6. */
const ABORTED = 134;

/** A guest in this run state is stopped with STOP and started with RESUME. From 9.0 also asleep. */
export function isLive(qemu: Qemu, runState: RunState): boolean {
  return runState === "running" || (runState === "suspended" && atLeast(qemu.version, "9.0"));
}

/** Starts the guest, or puts a guest that slept when it was stopped back to sleep. */
export function startGuest(qemu: Qemu): void {
  emit(qemu, "RESUME");
  if (qemu.wasAsleep) {
    if (qemu.runState === "postmigrate") {
      const program = atLeast(qemu.version, "11.0") ? `${qemu.options.program}: ` : "";
      qemu.host.onStderr(`${program}invalid runstate transition: 'postmigrate' -> 'suspended'`);
      exitProcess(qemu, ABORTED);
      return;
    }
    qemu.wasAsleep = false;
    qemu.runState = "suspended";
    return;
  }
  qemu.runState = "running";
  qemu.guest.start();
  // The guest tries again what failed.
  if (qemu.disk.failures > 0) qemu.clock.after(1, () => failDiskAccess(qemu));
}

/** Stops the guest, if it is live; the run state becomes `next` in any case. */
export function stopGuest(qemu: Qemu, next: RunState): void {
  const wasLive = isLive(qemu, qemu.runState);
  if (wasLive) qemu.wasAsleep = qemu.runState === "suspended";
  qemu.guest.stop();
  qemu.runState = next;
  if (wasLive) emit(qemu, "STOP");
}

/** A sleeping guest wakes up. */
export function wakeGuest(qemu: Qemu): void {
  qemu.runState = "running";
  qemu.guest.start();
}

/** The next access of the guest to its disk fails and stops it (`werror=stop`, `rerror=stop`). */
export function failDiskAccess(qemu: Qemu): void {
  const { disk } = qemu;
  if (qemu.isExited || qemu.runState !== "running" || disk.failures <= 0) return;
  disk.failures -= 1;
  reportDiskError(qemu);
  stopGuest(qemu, "io-error");
}

/** 10.x sends one BLOCK_IO_ERROR a second at most: the last of the others when the second is over. */
function reportDiskError(qemu: Qemu): void {
  const { disk, clock, version } = qemu;
  const isLimited = atLeast(version, "10.0") && !atLeast(version, "11.0");
  const waitMs = isLimited ? disk.reportedMs + 1000 - clock.nowMs() : 0;
  if (waitMs <= 0) {
    disk.reportedMs = clock.nowMs();
    emitDiskError(qemu);
    return;
  }
  if (disk.isReportPending) return;
  disk.isReportPending = true;
  clock.after(waitMs, () => {
    disk.isReportPending = false;
    disk.reportedMs = clock.nowMs();
    if (!qemu.isExited) emitDiskError(qemu);
  });
}

function emitDiskError(qemu: Qemu): void {
  const withDrive = qemu.devices.filter(({ properties }) => typeof properties.drive === "string");
  const isWritable = (name: unknown) => qemu.block.nodes.get(String(name))?.isReadOnly !== true;
  const device = withDrive.find(({ properties }) => isWritable(properties.drive)) ?? withDrive[0];
  const node = device?.properties.drive;
  const path = device?.id === undefined ? "peripheral-anon/device[0]" : `peripheral/${device.id}`;
  emit(qemu, "BLOCK_IO_ERROR", {
    device: "",
    nospace: false,
    ...(typeof node === "string" ? { "node-name": node } : {}),
    ...(atLeast(qemu.version, "9.2") ? { "qom-path": `/machine/${path}` } : {}),
    reason: "Input/output error",
    operation: "write",
    action: "stop",
  });
}

/**
 * Why the disks cannot be activated, if another process holds their image lock; also on standard
 * error.
 */
export function findLockRefusal(qemu: Qemu): string | undefined {
  if (!qemu.disk.isLocked) return undefined;
  const text = 'Failed to get "write" lock';
  reportError(qemu, text);
  return text;
}
