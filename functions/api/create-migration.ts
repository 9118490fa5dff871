import { randomBytes } from "node:crypto";
import { ExecutionAlreadyExists, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { type HostId, MigrationId, ulid, type VmId } from "../../core/id.ts";
import type { MigrationPolicy } from "../../core/policy.ts";
import { stepFunctions } from "../clients.ts";
import { config } from "../config.ts";
import { log } from "../log.ts";
import { createMigration, type NewMigration, withdrawMigration } from "../store/creation.ts";
import { findHost, type StoredHost } from "../store/hosts.ts";
import { findUse, hashRequest, type Used } from "../store/idempotency.ts";
import { findMigration, type StoredMigration } from "../store/migrations.ts";
import { findVm, type StoredVm } from "../store/vms.ts";
import { Problem } from "./problem.ts";
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
    const made = newMigration(request, ends, { key, bodyHash });
    const outcome = await createMigration(made);
    if (outcome === "created") return begin(made);
    const use = outcome === "key-used" ? await findUse(key) : undefined;
    if (use !== undefined) return replay(use, bodyHash);
  }
  throw new Problem(409, "vm-changed", `VM ${request.vm} is being changed by someone else`);
}

export type Ends = { vm: StoredVm; source: StoredHost; target: StoredHost };

/**
 * The VM and both hosts, fit for a migration.
 *
 * @throws Problem naming what is missing or in the way
 */
export async function readEnds({ vm: id, target }: MigrationRequest): Promise<Ends> {
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
    await startAgain(vm.lockedBy);
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

function newMigration(
  { policy }: MigrationRequest,
  { vm, source, target }: Ends,
  idempotency: NewMigration["idempotency"],
): NewMigration {
  const now = new Date();
  const id = MigrationId.parse(`mig_${ulid(now.getTime(), randomBytes(10))}`);
  const at = now.toISOString();
  return {
    migration: {
      id,
      vm: vm.id,
      source: source.id,
      target: target.id,
      policy,
      epoch: vm.epoch + 1,
      status: "running",
      phase: "admit",
      phases: [{ name: "admit", startedAt: at }],
      definition: vm.definition,
      queueUrls: { source: source.queueUrl, target: target.queueUrl },
      heldBytes: vm.heldBytes,
      decisions: [],
      executionArn: executionArn(id),
      createdAt: at,
      updatedAt: at,
    },
    handoverKey: randomBytes(32).toString("hex"),
    idempotency,
  };
}

/** An execution's ARN is made of its machine's and its name. */
function executionArn(id: MigrationId): string {
  return `${config().migrationStateMachineArn.replace(":stateMachine:", ":execution:")}:${id}`;
}

async function begin(made: NewMigration): Promise<Created> {
  try {
    await startExecution(made.migration);
  } catch (cause) {
    log().error({ err: cause, migration: made.migration.id }, "failed to start an execution");
    if (await withdrawMigration(made)) throw workflowUnavailable();
  }
  return { migration: made.migration, replayed: false };
}

async function replay(used: Used, bodyHash: string): Promise<Created> {
  if (used.bodyHash !== bodyHash) {
    const detail = `The Idempotency-Key was used for another request: ${used.migrationId}`;
    throw new Problem(422, "idempotency-key-reused", detail, { migration: used.migrationId });
  }
  await startAgain(used.migrationId);
  const migration = await findMigration(used.migrationId);
  if (migration === undefined) throw workflowUnavailable();
  return { migration, replayed: true };
}

/** Starts what a process wrote that died before it could; does nothing once it has begun. */
async function startAgain(id: MigrationId): Promise<void> {
  const migration = await findMigration(id);
  if (migration?.status !== "running" || migration.phase !== "admit") return;
  if (migration.slots !== undefined) return;
  await startExecution(migration).catch((cause: unknown) => {
    log().error({ err: cause, migration: id }, "failed to start an execution again");
    throw workflowUnavailable();
  });
}

/** Idempotent: an execution's name is its migration's id. */
async function startExecution({ id, policy }: StoredMigration): Promise<void> {
  const input = {
    migrationId: id,
    precopySeconds: Math.ceil(policy.precopyDeadlineMs / 1000),
    ackSeconds: Math.ceil(policy.ack.deadlineMs / 1000),
  };
  try {
    await stepFunctions().send(
      new StartExecutionCommand({
        stateMachineArn: config().migrationStateMachineArn,
        name: id,
        input: JSON.stringify(input),
      }),
    );
  } catch (error) {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  }
}

function workflowUnavailable(): Problem {
  return new Problem(503, "workflow-unavailable", "The migration could not be started; try again");
}
