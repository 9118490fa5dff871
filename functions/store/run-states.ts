/** Run states of guests as their hosts reported them, in the records of VMs and of migrations. */
import type { HostId, MigrationId } from "../../core/id.ts";
import { vmStateOf } from "../../core/qemu/run-state.ts";
import type { SeenRunState } from "../../core/vm-run-state.ts";
import { settledStates, type VmState } from "../../core/vm-state.ts";
import { keys } from "./keys.ts";
import { updateRunning } from "./migration-update.ts";
import { updateIf } from "./table.ts";
import type { StoredVm } from "./vms.ts";

/** A report is new if it is the first one, comes from another host, or has a higher number. */
const IS_NEWER =
  "(attribute_not_exists(#runStateSeq) OR #runStateFrom <> :from OR #runStateSeq < :seq)";

/**
 * Records the run state of a guest that no migration holds, and the VM's state by it. Changes nothing
 * for an older report, a VM on another host, or one whose process has ended. While a VM is `starting`,
 * only its run state is recorded: the answer to the start still brings the definition.
 *
 * @returns false when the VM was changed since it was read
 */
export async function recordRunState(
  vm: StoredVm,
  host: HostId,
  seen: SeenRunState,
): Promise<boolean> {
  const isOlder = vm.runStateFrom === host && (vm.runStateSeq ?? -1) >= seen.seq;
  const isStarting = vm.state === "starting";
  const isKnown = (settledStates as readonly VmState[]).includes(vm.state);
  // Its host had forgotten it, and has found it again.
  const isFound = vm.state === "unknown" && vm.lockedBy === undefined;
  const isSettled = vm.heldBytes > 0 && (isKnown || isFound);
  if (vm.host !== host || isOlder || !(isStarting || isSettled)) return true;
  const state = isStarting ? vm.state : vmStateOf(seen.runState);
  const isChanged = state !== vm.state;
  return updateIf({
    key: keys.vm(vm.id),
    update: `SET #state = :state, #runState = :runState, #runStateFrom = :from, #runStateSeq = :seq, #updatedAt = :now${isChanged ? ", #stateSince = :since" : ""}${detailAction(seen.reason)}`,
    condition: `#host = :from AND #state = :before AND attribute_not_exists(#lockedBy) AND ${IS_NEWER}`,
    values: {
      ":state": state,
      ":before": vm.state,
      ":runState": seen.runState,
      ":from": host,
      ":seq": seen.seq,
      ":now": new Date().toISOString(),
      ...(isChanged ? { ":since": new Date(seen.atMs).toISOString() } : {}),
      ...detailValue(seen.reason),
    },
  });
}

/** Records the run state of a guest while a migration holds it: the VM's state stays `migrating`. */
export async function recordRunStateOfMoving(
  vm: StoredVm,
  migration: MigrationId,
  host: HostId,
  seen: SeenRunState,
): Promise<void> {
  await updateIf({
    key: keys.vm(vm.id),
    update:
      "SET #runState = :runState, #runStateFrom = :from, #runStateSeq = :seq, #updatedAt = :now",
    condition: `#lockedBy = :id AND #state = :migrating AND ${IS_NEWER}`,
    values: {
      ":runState": seen.runState,
      ":from": host,
      ":seq": seen.seq,
      ":id": migration,
      ":migrating": "migrating",
      ":now": new Date().toISOString(),
    },
  });
}

/**
 * Records the newest run state of one side of a running migration. Until the switchover the source's
 * is also the one in which the guest must arrive. Changes nothing for an older report.
 *
 * @returns false when the migration has ended, the host is not that side, or the report is old
 */
export async function recordRunStateOfSide(
  id: MigrationId,
  side: "source" | "target",
  host: HostId,
  seen: SeenRunState,
): Promise<boolean> {
  const field = `#${side}RunState`;
  const condition = `#${side} = :host AND (attribute_not_exists(${field}) OR ${field}.#seq < :seq)`;
  const values = { ":seen": seen, ":seq": seen.seq, ":host": host };
  if (side === "source") {
    const isWritten = await updateRunning(id, {
      set: `${field} = :seen, #runStateBefore = :runState`,
      condition: `${condition} AND attribute_not_exists(#stoppedAtMs) AND attribute_not_exists(#sourceCompletedAtMs)`,
      values: { ...values, ":runState": seen.runState },
    });
    if (isWritten) return true;
  }
  return updateRunning(id, { set: `${field} = :seen`, condition, values });
}

/** The end of an update expression that sets the VM's detail, or removes it. */
function detailAction(reason: string | undefined): string {
  return reason === undefined ? " REMOVE #detail" : ", #detail = :detail";
}

function detailValue(reason: string | undefined): Record<string, string> {
  return reason === undefined ? {} : { ":detail": reason };
}
