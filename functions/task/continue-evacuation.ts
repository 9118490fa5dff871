import * as z from "zod";
import { EvacuationInput } from "../../core/evacuation/execution-input.ts";
import { task } from "../runtime/task.ts";
import { continueExecution } from "../service/evacuation-executions.ts";

const ContinueInput = z.object(EvacuationInput.shape);

/**
 * Workflow task: starts the execution that takes over from this one, whose history has become long.
 * Repeated, it starts the same one.
 */
export const handler = task(async (event): Promise<Record<string, never>> => {
  const { evacuationId, generation } = ContinueInput.parse(event);
  await continueExecution(evacuationId, generation);
  return {};
});
