import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import type { MigrationId } from "../../core/id.ts";
import { ExecutionInput } from "../../core/migration/execution-input.ts";
import { stepFunctions } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";
import type { StoredMigration } from "../store/migration-record.ts";

/** An execution that continues the way back from `turn` on, and why there is another one. */
export type Continued = { turn: number; isLost?: boolean };

/** `absent`: Step Functions does not know it, or does not know it yet. */
export type ExecutionState = "running" | "ended" | "absent";

/** An execution's ARN is composed of its state machine's ARN and its name. */
export function executionArn(id: MigrationId): string {
  return `${config().migrationStateMachineArn.replace(":stateMachine:", ":execution:")}:${id}`;
}

/**
 * Idempotent: an execution's name is its migration's id, followed by the turn if it continues one.
 *
 * @throws the error of Step Functions
 */
export async function startExecution(
  { id, policy, vm, source, target, slots }: StoredMigration,
  continued?: Continued,
): Promise<void> {
  const input = ExecutionInput.parse({
    migrationId: id,
    parties: { vm, source, target },
    ...(continued === undefined ? {} : { turn: continued.turn }),
    ...(continued?.isLost === true ? { lost: true } : {}),
    ...(slots === "held" || slots === "preparing" ? { admitted: slots } : {}),
    precopySeconds: Math.ceil(policy.precopyDeadlineMs / 1000),
    queueSeconds: Math.ceil(policy.queueDeadlineMs / 1000),
    ackSeconds: Math.ceil(policy.ack.deadlineMs / 1000),
    // A migration with a gate holds in this phase.
    switchoverSeconds: Math.ceil((policy.precopyDeadlineMs + policy.switchover.deadlineMs) / 1000),
  });
  try {
    await stepFunctions().send(
      new StartExecutionCommand({
        stateMachineArn: config().migrationStateMachineArn,
        name: `${id}${suffixOf(continued?.turn)}`,
        input: JSON.stringify(input),
      }),
    );
  } catch (error) {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  }
}

/**
 * The state of the newest execution of a migration.
 *
 * @throws the error of Step Functions
 */
export async function newestExecution({
  id,
  executionArn: first = executionArn(id),
  turnsBefore,
}: StoredMigration): Promise<ExecutionState> {
  const turn = turnsBefore === undefined ? undefined : turnsBefore + 1;
  try {
    const { status } = await stepFunctions().send(
      new DescribeExecutionCommand({ executionArn: `${first}${suffixOf(turn)}` }),
    );
    return status === "RUNNING" ? "running" : "ended";
  } catch (error) {
    if (error instanceof ExecutionDoesNotExist) return "absent";
    throw error;
  }
}

function suffixOf(turn: number | undefined): string {
  return turn === undefined ? "" : `-turn-${turn}`;
}
