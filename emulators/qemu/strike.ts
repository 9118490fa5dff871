import type { MigrationStatus } from "./catalog/statuses.ts";
import type { Fault } from "./faults.ts";
import { actAsGuest } from "./guest-actions.ts";
import {
  exitProcess,
  holdMainLoop,
  listConnections,
  type Qemu,
  releaseMainLoop,
  wakeMainLoop,
} from "./qemu.ts";

/** Accepts a fault, which strikes now or at its moment. */
export function addFault(qemu: Qemu, fault: Fault): void {
  if (fault.at === undefined && !fault.afterMs && !isLasting(fault)) {
    strike(qemu, fault);
    return;
  }
  qemu.faults.push(fault);
  const { status } = qemu.outgoing;
  strikeFaults(qemu, status === "none" ? qemu.incoming.status : status);
}

/** Applies every fault whose moment is `status`. */
export function strikeFaults(qemu: Qemu, status: MigrationStatus | undefined): void {
  for (const fault of [...qemu.faults]) {
    if (fault.at !== undefined && fault.at !== status) continue;
    if (isLasting(fault)) continue;
    qemu.faults.splice(qemu.faults.indexOf(fault), 1);
    qemu.clock.after(fault.afterMs ?? 0, () => strike(qemu, fault));
  }
}

/** The code that these concern looks them up. */
function isLasting(fault: Fault): boolean {
  return ["drop-shut", "fail-load"].includes(fault.kind);
}

function strike(qemu: Qemu, fault: Fault): void {
  if (qemu.isExited) return;
  switch (fault.kind) {
    case "exit":
      exitProcess(qemu, fault.code ?? 137);
      return;
    case "freeze":
      freeze(qemu, true);
      if (fault.forMs !== undefined) qemu.clock.after(fault.forMs, () => freeze(qemu, false));
      return;
    case "qmp-stall":
      holdMainLoop(qemu, "fault");
      if (fault.forMs !== undefined) {
        qemu.clock.after(fault.forMs, () => releaseMainLoop(qemu, "fault"));
      }
      return;
    case "cut":
      for (const close of listConnections(qemu)) close();
      return;
    case "stall":
      qemu.stalls += 1;
      if (fault.forMs !== undefined) {
        qemu.clock.after(fault.forMs, () => {
          qemu.stalls -= 1;
          qemu.tasks.poke();
        });
      }
      return;
    case "disk-lock":
      qemu.disk.isLocked = true;
      if (fault.forMs !== undefined) {
        qemu.clock.after(fault.forMs, () => {
          qemu.disk.isLocked = false;
        });
      }
      return;
    case "disk-unlock":
      qemu.disk.isLocked = false;
      return;
    case "act":
      actAsGuest(qemu, fault.action, fault.times);
      return;
    case "disk-mend":
      qemu.disk.failures = 0;
      return;
    case "drop-shut":
    case "fail-load":
      return;
  }
}

function freeze(qemu: Qemu, isFrozen: boolean): void {
  if (qemu.isExited) return;
  qemu.isFrozen = isFrozen;
  if (isFrozen) {
    if (qemu.guest.isRunning) qemu.thawRunning = true;
    qemu.guest.stop();
  } else if (qemu.thawRunning) {
    qemu.thawRunning = false;
    qemu.guest.start();
  }
  qemu.tasks.freeze(isFrozen);
  if (!isFrozen) wakeMainLoop(qemu);
}
