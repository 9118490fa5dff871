import type { VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { reopenUnknown } from "../store/migration-ending.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";
import { requireVm } from "./require-vm.ts";
import { startExecution } from "./start-migration.ts";

/**
 * Reconciles a VM of which nobody knows where it runs: both sides are observed again, and the same
 * decision table applies. It may come to the same end for the same reason.
 *
 * @throws Problem vm-not-found, nothing-to-reconcile, vm-changed
 */
export async function reconcileVm(id: VmId): Promise<StoredMigration> {
  const vm = await requireVm(id);
  const migration = vm.lockedBy === undefined ? undefined : await readMigration(vm.lockedBy);
  if (migration === undefined || (vm.state !== "unknown" && !isReopened(migration))) {
    const detail = `VM ${id} is ${vm.state} on ${vm.host}: only one that is \`unknown\` is reconciled`;
    throw new Problem("nothing-to-reconcile", detail);
  }
  if (vm.state === "unknown" && !(await reopenUnknown(migration))) {
    throw new Problem("vm-changed", `Another request is reconciling VM ${id}`);
  }
  await startExecution(migration, migration.decisions.length + 1);
  return readMigration(migration.id);
}

/** Reopened by a request that died before it could start the execution. */
function isReopened({ status, turnsBefore, decisions }: StoredMigration): boolean {
  return status === "running" && turnsBefore === decisions.length;
}
