import type { VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { startExecution } from "../service/start-migration.ts";
import { reopenUnknown } from "../store/migration-ending.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";
import { findVm } from "../store/vms.ts";

/**
 * Looks into a VM of which nobody knows where it runs: both ends are asked again, and the same table
 * as ever decides. It may well come to the same end, for the same reason.
 *
 * @throws Problem vm-not-found, nothing-to-reconcile, vm-changed
 */
export async function reconcileVm(id: VmId): Promise<StoredMigration> {
  const vm = await findVm(id);
  if (vm === undefined) throw new Problem(404, "vm-not-found", `There is no VM ${id}`);
  const migration = vm.lockedBy === undefined ? undefined : await readMigration(vm.lockedBy);
  if (migration === undefined || (vm.state !== "unknown" && !isReopened(migration))) {
    const detail = `VM ${id} is ${vm.state} on ${vm.host}: only one that is \`unknown\` is looked into`;
    throw new Problem(409, "nothing-to-reconcile", detail);
  }
  if (vm.state === "unknown" && !(await reopenUnknown(migration))) {
    throw new Problem(409, "vm-changed", `VM ${id} is being looked into by someone else`);
  }
  await startExecution(migration, migration.decisions.length + 1);
  return readMigration(migration.id);
}

/** Reopened by a request that died before it could start the execution. */
function isReopened({ status, turnsBefore, decisions }: StoredMigration): boolean {
  return status === "running" && turnsBefore === decisions.length;
}
