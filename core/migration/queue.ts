import * as z from "zod";

/** Places that are counted; one behind them is shown as the next. */
export const PLACES_MAX = 50;

/** Of a migration that waits for its turn. */
export const Queue = z.strictObject({
  /** Among those that wait for the target, from 1 on, by age; 51: behind 50 others or more. */
  place: z.int().min(1).optional(),
  /**
   * When its turn is expected by what the migrations before it have left to send; absent: memory is
   * missing, or too many are before it. Evacuations may use the same slots.
   */
  expectedStartAt: z.iso.datetime().optional(),
  /** The limits that are used up, for people. */
  waitsFor: z.array(z.string()),
  /** Then it fails (`policy.queueDeadlineMs`). */
  deadlineAt: z.iso.datetime(),
});
export type Queue = z.infer<typeof Queue>;

/** Migrations at one host and direction, in their order. */
export type SlotUse = {
  readonly slots: number;
  /** Time until each migration that holds a slot is expected to end, ms. */
  readonly endsInMs: readonly number[];
  /** Time that each one that waits before this one will take, ms. */
  readonly aheadMs: readonly number[];
};

/** When the next migration behind these gets a slot, ms from now. */
export function startsInMs({ slots, endsInMs, aheadMs }: SlotUse): number {
  const unused = Math.max(0, slots - endsInMs.length);
  // Where there are fewer slots than migrations, the first ones that end give none back.
  const free = endsInMs
    .toSorted((one, other) => one - other)
    .slice(Math.max(0, endsInMs.length - slots))
    .concat(Array.from({ length: unused }, () => 0))
    .toSorted((one, other) => one - other);
  for (const ms of aheadMs) {
    const [first = 0] = free;
    free[0] = first + ms;
    free.sort((one, other) => one - other);
  }
  return free[0] ?? 0;
}
