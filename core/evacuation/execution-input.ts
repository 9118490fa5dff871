import * as z from "zod";
import { EvacuationId } from "../id.ts";

/** The input of an evacuation's execution. */
export const EvacuationInput = z.strictObject({
  evacuationId: EvacuationId,
  /** 1 for the first execution; each next one continues where the one before stopped. */
  generation: z.int().positive(),
});
export type EvacuationInput = z.infer<typeof EvacuationInput>;

/** What one step of an evacuation answers to its workflow. */
export const AdvanceOutput = z.strictObject({
  ended: z.boolean(),
  /** Something is due after so many seconds, whatever happens until then. */
  waitSeconds: z.int().min(1),
});
export type AdvanceOutput = z.infer<typeof AdvanceOutput>;

/** Where the workflow finds a field of its execution's input, in JSONata. */
export function evacuationInput(field: keyof EvacuationInput): string {
  return `$states.context.Execution.Input.${field}`;
}
