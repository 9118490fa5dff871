import { z } from "zod";

/** Places that are counted; one behind them is shown as the next. */
export const PLACES_MAX = 50;

/** Of a migration that waits for its turn. */
export const Queue = z.strictObject({
  /** Among those that wait for the target, from 1 on, by age; 51: behind 50 others or more. */
  place: z.int().min(1).optional(),
  /** The limits that are used up, for people. */
  waitsFor: z.array(z.string()),
  /** Then it fails (`policy.queueDeadlineMs`). */
  deadlineAt: z.iso.datetime(),
});
export type Queue = z.infer<typeof Queue>;
