import * as z from "zod";
import type { AdvanceOutput } from "../../core/evacuation/execution-input.ts";
import { EvacuationId } from "../../core/id.ts";
import { task } from "../runtime/task.ts";
import { advanceEvacuation } from "../service/advance-evacuation.ts";

const AdvanceInput = z.object({ evacuationId: EvacuationId });

/** Workflow task: one step of an evacuation. */
export const handler = task(async (event): Promise<AdvanceOutput> => {
  const { evacuationId } = AdvanceInput.parse(event);
  return advanceEvacuation(evacuationId);
});
