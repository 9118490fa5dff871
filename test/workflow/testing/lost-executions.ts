import { ListExecutionsCommand, StopExecutionCommand } from "@aws-sdk/client-sfn";
import { stepFunctions } from "../../../functions/runtime/clients.ts";
import { config } from "../../../functions/runtime/config.ts";
import { handler, type SweepOutput } from "../../../functions/task/sweep.ts";
import type { Interceptor, WorkflowHarness } from "./harness.ts";

/** Stops every execution that runs, or those of one migration or evacuation. */
export async function stopExecutions(
  id = "",
  stateMachineArn = config().migrationStateMachineArn,
): Promise<void> {
  const { executions = [] } = await stepFunctions().send(
    new ListExecutionsCommand({
      stateMachineArn,
      statusFilter: "RUNNING",
    }),
  );
  for (const { executionArn, name = "" } of executions) {
    if (!name.startsWith(id)) continue;
    await stepFunctions().send(new StopExecutionCommand({ executionArn }));
  }
}

/** Stops the execution when it calls the function of this state; the call is made or not. */
export function stopAt(harness: WorkflowHarness, state: string, isCalled: boolean): Interceptor {
  let isStopped = false;
  return async (called, call) => {
    if (called !== state || isStopped) return call();
    isStopped = true;
    harness.faultsInjected += 1;
    await stopExecutions();
    if (isCalled) await call();
    return harness.hang();
  };
}

/** One sweep, as the schedule starts it. */
export async function sweep(): Promise<SweepOutput> {
  return handler({});
}
