import type { VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { reopenUnknown } from "../store/migration-ending.ts";
import { readMigration, type StoredMigration } from "../store/migration-record.ts";
import { newestTurn } from "../store/turns.ts";
import type { StoredVm } from "../store/vms.ts";
import { startExecution } from "./executions.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { requireVm, vmChanged } from "./require-vm.ts";
import { isFresh, restartExecution } from "./restart-execution.ts";

/**
 * Observes both sides of a VM's migration again, with the same decision table: after an end that left
 * the VM `unknown`, or when the execution of its migration does not run any more. It may come to the
 * same end for the same reason. A repeated request changes nothing.
 *
 * @throws Problem vm-not-found, nothing-to-reconcile, vm-changed, workflow-unavailable
 */
export async function reconcileVm(id: VmId): Promise<StoredMigration> {
  const vm = await requireVm(id);
  const migration = vm.lockedBy === undefined ? undefined : await readMigration(vm.lockedBy);
  if (migration === undefined) throw nothingToReconcile(vm, "no migration holds it");
  if (migration.status === "unknown") await reopen(migration, vm);
  else await restart(migration, vm);
  return readMigration(migration.id);
}

async function reopen(migration: StoredMigration, vm: StoredVm): Promise<void> {
  if (!(await reopenUnknown(migration))) throw vmChanged(vm.id);
  await start(migration);
}

async function restart(migration: StoredMigration, vm: StoredVm): Promise<void> {
  // Reopened a moment ago: the request that did it may have died before the start.
  if (isReopened(migration) && isFresh(migration)) await start(migration);
  const outcome = await orUnavailable("workflow-unavailable", () => restartExecution(migration));
  if (outcome !== "running" || isReopened(migration)) return;
  throw nothingToReconcile(
    vm,
    `the execution of its migration ${migration.id} runs, or is being started`,
  );
}

async function start(migration: StoredMigration): Promise<void> {
  const turn = newestTurn(migration) + 1;
  await orUnavailable("workflow-unavailable", () => startExecution(migration, { turn }));
}

function isReopened(migration: StoredMigration): boolean {
  return migration.status === "running" && migration.turnsBefore === newestTurn(migration);
}

function nothingToReconcile({ id, state, host }: StoredVm, why: string): Problem {
  return new Problem("nothing-to-reconcile", `VM ${id} is ${state} on ${host}: ${why}`);
}
