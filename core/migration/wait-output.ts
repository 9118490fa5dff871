import * as z from "zod";

/** Signals whose waits the workflow skips if they were raised before it got there. */
export const skippableSignals = ["acked", "source-completed", "target-arrived"] as const;

/** What completes the token of a task that waits for a signal. */
export const WaitOutput = z.strictObject({
  /** Which of {@link skippableSignals} have been raised by now. */
  raised: z.array(z.enum(skippableSignals)),
});
export type WaitOutput = z.infer<typeof WaitOutput>;

/** Where a workflow finds a field of that output, in JSONata. */
export function waitOutput(field: keyof WaitOutput): string {
  return `$states.result.${field}`;
}
