import { randomBytes } from "node:crypto";
import type { HostId, MigrationId, VmId } from "../../core/id.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { movableStates } from "../../core/vm-state.ts";
import { Problem } from "../http/problem.ts";
import { log } from "../runtime/log.ts";
import { findHostNow } from "../store/hosts.ts";
import { findUse, hashRequest, type Used } from "../store/idempotency.ts";
import { createMigration, type NewMigration } from "../store/migration-creation.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import { readTenantCounts } from "../store/tenants.ts";
import { findVm } from "../store/vms.ts";
import { requireAllowed, requireRules } from "./host-rules.ts";
import { vmChanged, vmLocked, vmUnknown } from "./require-vm.ts";
import { beginMigration, newMigration, type StoredParties, startAgain } from "./start-migration.ts";

export type MigrationRequest = { vm: VmId; target: HostId; policy: MigrationPolicy };
export type Created = { migration: StoredMigration; replayed: boolean };

/** How often the VM may change between the read and the lock. */
const TRIES_MAX = 3;

/**
 * Writes a migration and starts its execution: both or neither. If the execution cannot be started,
 * the record is withdrawn. If the process dies in between, the same request, or another one for the
 * same VM, starts the execution.
 *
 * @throws Problem vm-not-found, host-not-found, source-is-target, vm-locked, vm-unknown, vm-changed,
 *   vm-not-running, idempotency-key-reused, workflow-unavailable, and those of `requireAllowed` and
 *   `requireRules`
 */
export async function requestMigration(
  request: MigrationRequest,
  idempotencyKey: string | undefined,
): Promise<Created> {
  const key = idempotencyKey ?? randomBytes(16).toString("hex");
  const bodyHash = hashRequest(request);
  const used = idempotencyKey === undefined ? undefined : await findUse(key);
  if (used !== undefined) return replay(used, bodyHash);
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const ends = await readParties(request);
    const made = newMigration(request.policy, ends, { key, bodyHash });
    const written = await createMigration(made);
    if (typeof written === "object") return begin(written);
    if (written === "apart") continue;
    const use = written === "key-used" ? await findUse(key) : undefined;
    if (use !== undefined) return replay(use, bodyHash);
  }
  throw vmChanged(request.vm);
}

/**
 * The VM, both hosts and what its tenant has, fit for a migration.
 *
 * @throws Problem vm-not-found, host-not-found, source-is-target, vm-locked, vm-unknown,
 *   vm-not-running, workflow-unavailable, and those of `requireAllowed` and `requireRules`
 */
export async function readParties({
  vm: id,
  target: targetId,
}: MigrationRequest): Promise<StoredParties> {
  const [vm, target] = await Promise.all([findVm(id), findHostNow(targetId)]);
  if (vm === undefined) throw new Problem("vm-not-found", `There is no VM ${id}`);
  if (target === undefined) throw new Problem("host-not-found", `There is no host ${targetId}`);
  if (vm.host === targetId) {
    const error = { field: "target", rule: "another host than the VM's", received: targetId };
    throw new Problem("source-is-target", `VM ${id} is on ${targetId} already`, {
      errors: [error],
    });
  }
  if (vm.lockedBy !== undefined) {
    await startIfInterrupted(vm.lockedBy);
    throw vmLocked(vm);
  }
  if (vm.state === "unknown") throw vmUnknown(vm);
  if (!movableStates.includes(vm.state)) {
    throw new Problem("vm-not-running", `VM ${id} is ${vm.state}: it has no guest to be moved`);
  }
  const [source, tenant] = await Promise.all([findHostNow(vm.host), readTenantCounts(vm.tenant)]);
  if (source === undefined) throw new Error(`Expected host ${vm.host} to exist`);
  requireAllowed("send", source);
  requireAllowed("receive", target);
  requireRules(vm, target, "moved");
  return { vm, source, target, tenant };
}

async function begin(made: NewMigration): Promise<Created> {
  if ((await beginMigration(made)) === "withdrawn") throw workflowUnavailable();
  return { migration: made.migration, replayed: false };
}

async function replay(used: Used, bodyHash: string): Promise<Created> {
  if (used.bodyHash !== bodyHash) {
    const detail = `The Idempotency-Key was used for another request: ${used.migrationId}`;
    throw new Problem("idempotency-key-reused", detail, { migration: used.migrationId });
  }
  await startIfInterrupted(used.migrationId);
  const migration = await findMigration(used.migrationId);
  if (migration === undefined) throw workflowUnavailable();
  return { migration, replayed: true };
}

/** Starts the execution of a migration whose request died before it could. */
async function startIfInterrupted(id: MigrationId): Promise<void> {
  const migration = await findMigration(id);
  if (migration === undefined) return;
  await startAgain(migration).catch((cause: unknown) => {
    log().error({ err: cause, migration: id }, "failed to start an execution again");
    throw workflowUnavailable();
  });
}

function workflowUnavailable(): Problem {
  return new Problem("workflow-unavailable", "The migration could not be started; try again");
}
