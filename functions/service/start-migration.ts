import { randomBytes } from "node:crypto";
import { ExecutionAlreadyExists, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { MigrationId, ulid } from "../../core/id.ts";
import { ExecutionInput } from "../../core/migration/execution-input.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { stepFunctions } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";
import { log } from "../runtime/log.ts";
import type { StoredHost } from "../store/hosts.ts";
import { type NewMigration, withdrawMigration } from "../store/migration-creation.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import type { StoredVm } from "../store/vms.ts";

/** The VM and both hosts of a migration, as they were read. */
export type StoredParties = { vm: StoredVm; source: StoredHost; target: StoredHost };

/** Builds a migration to be written; `successor`: its id, and the migration that it continues. */
export function newMigration(
  policy: MigrationPolicy,
  { vm, source, target }: StoredParties,
  idempotency: NewMigration["idempotency"],
  successor?: { id: MigrationId; predecessor: MigrationId },
): NewMigration {
  const now = new Date();
  const id = successor?.id ?? MigrationId.parse(`mig_${ulid(now.getTime(), randomBytes(10))}`);
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
      ...(successor === undefined ? {} : { predecessor: successor.predecessor }),
      createdAt: at,
      updatedAt: at,
    },
    handoverKey: randomBytes(32).toString("hex"),
    idempotency,
    memoryBytes: target.memoryBytes ?? 0,
  };
}

/** An execution's ARN is composed of its state machine's ARN and its name. */
function executionArn(id: MigrationId): string {
  return `${config().migrationStateMachineArn.replace(":stateMachine:", ":execution:")}:${id}`;
}

/**
 * Starts the execution of a migration that was written. When that fails, the migration is removed;
 * when it cannot be removed either, repeating the request starts it.
 */
export async function beginMigration(made: NewMigration): Promise<"begun" | "withdrawn"> {
  try {
    await startExecution(made.migration);
  } catch (cause) {
    log().error({ err: cause, migrationId: made.migration.id }, "failed to start an execution");
    if (await withdrawMigration(made)) return "withdrawn";
  }
  return "begun";
}

/**
 * Starts the execution of a migration whose writer died before it could; does nothing once the
 * execution has begun.
 *
 * @throws the error of Step Functions
 */
export async function startAgain(migration: StoredMigration): Promise<void> {
  if (migration.status === "running" && migration.phase === "admit")
    await startExecution(migration);
}

/**
 * Idempotent: an execution's name is its migration's id.
 *
 * @param turn of a migration that ended unknown: another execution continues the way back from there
 */
export async function startExecution(
  { id, policy, vm, source, target, slots }: StoredMigration,
  turn?: number,
): Promise<void> {
  const input = ExecutionInput.parse({
    migrationId: id,
    parties: { vm, source, target },
    ...(turn === undefined ? {} : { turn }),
    ...(slots === "held" ? { admitted: true } : {}),
    precopySeconds: Math.ceil(policy.precopyDeadlineMs / 1000),
    ackSeconds: Math.ceil(policy.ack.deadlineMs / 1000),
    // A migration with a gate holds in this phase.
    switchoverSeconds: Math.ceil((policy.precopyDeadlineMs + policy.switchover.deadlineMs) / 1000),
  });
  try {
    await stepFunctions().send(
      new StartExecutionCommand({
        stateMachineArn: config().migrationStateMachineArn,
        name: turn === undefined ? id : `${id}-turn-${turn}`,
        input: JSON.stringify(input),
      }),
    );
  } catch (error) {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  }
}
