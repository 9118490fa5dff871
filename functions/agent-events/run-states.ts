import { TableBusy } from "../../core/errors.ts";
import { runStateChanged } from "../../core/fleet-event/untold-events.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import { isMigrationRunState } from "../../core/qemu/run-state.ts";
import type { SeenRunState } from "../../core/vm-run-state.ts";
import { eventOfHost } from "../store/fleet-events.ts";
import type { EventKey } from "../store/keys.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import {
  recordRunState,
  recordRunStateOfMoving,
  recordRunStateOfSide,
} from "../store/run-states.ts";
import { findVm, type StoredVm } from "../store/vms.ts";
import type { PendingWrites } from "./pending-writes.ts";
import { interrupt } from "./signals.ts";

type RunStateBody = Extract<EventBody, { type: "guest.run-state" }>;

/** How often an event is applied while others change the VM's record. */
const TRIES_MAX = 3;

/**
 * Applies a run state that a host reports. Outside of migrations it decides the VM's state. While a
 * migration holds the VM, it is kept for each side; the VM shows that of the side that has the guest.
 * A report that is repeated, late, or of a host that has no such guest changes nothing.
 *
 * @throws TableBusy when the VM's record changed each time
 */
export async function applyRunState(
  at: EventKey,
  body: RunStateBody,
  pending: PendingWrites,
): Promise<void> {
  const { runState, reason } = body;
  const seen: SeenRunState = {
    runState,
    atMs: at.atMs,
    seq: at.seq,
    ...(reason === undefined ? {} : { reason }),
  };
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const vm = await findVm(body.vm);
    if (vm === undefined) return;
    const migration = vm.lockedBy === undefined ? undefined : await findMigration(vm.lockedBy);
    if (migration === undefined) {
      if (!(await recordRunState(vm, at.host, seen))) continue;
      // A repeated report: whoever recorded it first may have been ended before this.
      const isRecorded = vm.runStateFrom !== at.host || (vm.runStateSeq ?? -1) <= at.seq;
      if (vm.host === at.host && isRecorded) pending.addEvent(changed(vm, at, seen));
      return;
    } else if (await applyWhileMoving(vm, migration, { at, seen }, pending)) return;
  }
  throw new TableBusy(`Failed to write the run state of ${body.vm}: its record keeps changing`);
}

/** False when the migration has ended since it was read. */
async function applyWhileMoving(
  vm: StoredVm,
  migration: StoredMigration,
  { at, seen }: { at: EventKey; seen: SeenRunState },
  pending: PendingWrites,
): Promise<boolean> {
  const { host } = at;
  const { id, source, target } = migration;
  if (host !== source && host !== target) return true;
  const side = host === source ? "source" : "target";
  const { runState, reason } = seen;
  const detail = { side, runState, ...(reason === undefined ? {} : { reason }) };
  pending.addEntry(id, at, { type: "guest.run-state", detail });
  if (isMigrationRunState(runState)) return true;
  const isWritten = await recordRunStateOfSide(id, side, host, seen);
  if (!isWritten && migration.status === "running") {
    const known = migration[`${side}RunState`]?.seq ?? -1;
    if (known < seen.seq) return false;
    if (known > seen.seq) return true;
  }
  if (migration.status !== "running") return true;
  if (sideWithGuest(migration) === side) {
    await recordRunStateOfMoving(vm, id, host, seen);
    pending.addEvent(changed(vm, at, seen));
  }
  const isBeforeSwitchover =
    migration.stoppedAtMs === undefined && migration.sourceCompletedAtMs === undefined;
  if (side === "source" && runState === "shutdown" && isBeforeSwitchover) {
    await pending.write();
    const text = "the guest powered itself off on the source";
    await interrupt(id, { kind: "failed", at: new Date().toISOString(), detail: text });
  }
  return true;
}

function changed(vm: StoredVm, at: EventKey, seen: SeenRunState) {
  return eventOfHost(runStateChanged(vm.id, at.host, seen), at);
}

/** By the hosts' events; between the source's end and the arrival the target has it. */
function sideWithGuest({ arrivedAs, sourceCompletedAtMs }: StoredMigration): "source" | "target" {
  return arrivedAs === undefined && sourceCompletedAtMs === undefined ? "source" : "target";
}
