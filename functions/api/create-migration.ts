import { randomBytes } from "node:crypto";
import type { HostId, MigrationId, VmId } from "../../core/id.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { Problem } from "../http/problem.ts";
import { log } from "../runtime/log.ts";
import {
  beginMigration,
  newMigration,
  type StoredParties,
  startAgain,
} from "../service/start-migration.ts";
import { findHost } from "../store/hosts.ts";
import { findUse, hashRequest, type Used } from "../store/idempotency.ts";
import { createMigration, type NewMigration } from "../store/migration-creation.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import { findVm } from "../store/vms.ts";
import { vmLocked } from "./vm-commands.ts";

export type MigrationRequest = { vm: VmId; target: HostId; policy: MigrationPolicy };
export type Created = { migration: StoredMigration; replayed: boolean };

/** Times the VM may change between reading it and taking its lock. */
const TRIES = 3;

/**
 * Writes a migration and starts its execution. Both or neither: when the execution cannot be
 * started the record is taken back, and should that fail too (the process died in between), the
 * same request again, or one for the same VM, starts it.
 *
 * @throws Problem vm-not-found, host-not-found, source-is-target, vm-locked, vm-not-running,
 *   host-not-active, idempotency-key-reused, workflow-unavailable
 */
export async function requestMigration(
  request: MigrationRequest,
  idempotencyKey: string | undefined,
): Promise<Created> {
  const key = idempotencyKey ?? randomBytes(16).toString("hex");
  const bodyHash = hashRequest(request);
  const used = idempotencyKey === undefined ? undefined : await findUse(key);
  if (used !== undefined) return replay(used, bodyHash);
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const ends = await readEnds(request);
    const made = newMigration(request.policy, ends, { key, bodyHash });
    const written = await createMigration(made);
    if (typeof written === "object") return begin(written);
    const use = written === "key-used" ? await findUse(key) : undefined;
    if (use !== undefined) return replay(use, bodyHash);
  }
  throw new Problem(409, "vm-changed", `VM ${request.vm} is being changed by someone else`);
}

/**
 * The VM and both hosts, fit for a migration.
 *
 * @throws Problem naming what is missing or in the way
 */
export async function readEnds({ vm: id, target }: MigrationRequest): Promise<StoredParties> {
  const [vm, targetHost] = await Promise.all([findVm(id), findHost(target)]);
  if (vm === undefined) throw new Problem(404, "vm-not-found", `There is no VM ${id}`);
  if (targetHost === undefined) {
    throw new Problem(404, "host-not-found", `There is no host ${target}`);
  }
  if (vm.host === target) {
    const error = { field: "target", rule: "another host than the VM's", received: target };
    throw new Problem(422, "source-is-target", `VM ${id} is on ${target} already`, {
      errors: [error],
    });
  }
  if (vm.lockedBy !== undefined) {
    await goOnWith(vm.lockedBy);
    throw vmLocked(vm);
  }
  if (vm.state !== "running") {
    throw new Problem(409, "vm-not-running", `VM ${id} is ${vm.state}, not running`);
  }
  const sourceHost = await findHost(vm.host);
  for (const [name, host] of [
    [vm.host, sourceHost],
    [target, targetHost],
  ] as const) {
    if (host?.state !== "active") {
      throw new Problem(409, "host-not-active", `The agent of ${name} has not registered yet`);
    }
  }
  if (sourceHost === undefined) throw new Error(`Expected host ${vm.host} to exist`);
  return { vm, source: sourceHost, target: targetHost };
}

async function begin(made: NewMigration): Promise<Created> {
  if ((await beginMigration(made)) === "withdrawn") throw workflowUnavailable();
  return { migration: made.migration, replayed: false };
}

async function replay(used: Used, bodyHash: string): Promise<Created> {
  if (used.bodyHash !== bodyHash) {
    const detail = `The Idempotency-Key was used for another request: ${used.migrationId}`;
    throw new Problem(422, "idempotency-key-reused", detail, { migration: used.migrationId });
  }
  await goOnWith(used.migrationId);
  const migration = await findMigration(used.migrationId);
  if (migration === undefined) throw workflowUnavailable();
  return { migration, replayed: true };
}

/** One whose request died before its execution was started is started now. */
async function goOnWith(id: MigrationId): Promise<void> {
  const migration = await findMigration(id);
  if (migration === undefined) return;
  await startAgain(migration).catch((cause: unknown) => {
    log().error({ err: cause, migration: id }, "failed to start an execution again");
    throw workflowUnavailable();
  });
}

function workflowUnavailable(): Problem {
  return new Problem(503, "workflow-unavailable", "The migration could not be started; try again");
}
