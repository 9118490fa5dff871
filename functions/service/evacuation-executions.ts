import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { EvacuationInput } from "../../core/evacuation/execution-input.ts";
import type { EvacuationId } from "../../core/id.ts";
import { stepFunctions } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { edit } from "./change-evacuation.ts";
import type { ExecutionState } from "./executions.ts";

type Named = Pick<StoredEvacuation, "id" | "generation">;

/** An execution's name is its evacuation's id and how many there were before. */
export function evacuationExecutionArn({ id, generation }: Named): string {
  const machine = config().evacuationStateMachineArn;
  return `${machine.replace(":stateMachine:", ":execution:")}:${id}-${generation}`;
}

/**
 * Idempotent: one execution for each generation.
 *
 * @throws the error of Step Functions
 */
export async function startEvacuationExecution({ id, generation }: Named): Promise<void> {
  try {
    await stepFunctions().send(
      new StartExecutionCommand({
        stateMachineArn: config().evacuationStateMachineArn,
        name: `${id}-${generation}`,
        input: JSON.stringify(EvacuationInput.parse({ evacuationId: id, generation })),
      }),
    );
  } catch (error) {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  }
}

/** The next generation, started by the execution that it takes over from, or for a lost one. */
export async function continueExecution(id: EvacuationId, from: number): Promise<void> {
  const next = await edit(id, ({ generation }) => {
    if (generation !== from) return undefined;
    const following = { id, generation: from + 1 };
    return { generation: from + 1, executionArn: evacuationExecutionArn(following) };
  });
  if (next.generation === from + 1) await startEvacuationExecution(next);
}

/** @throws the error of Step Functions */
export async function evacuationExecution(named: Named): Promise<ExecutionState> {
  try {
    const { status } = await stepFunctions().send(
      new DescribeExecutionCommand({ executionArn: evacuationExecutionArn(named) }),
    );
    return status === "RUNNING" ? "running" : "ended";
  } catch (error) {
    if (error instanceof ExecutionDoesNotExist) return "absent";
    throw error;
  }
}
