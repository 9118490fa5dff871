import * as z from "zod";

/**
 * What became of each VM of an evacuation. `noticed`: it waits for its owner; `unplaced`: the planner
 * knows no place for it; `failed`: its tries are used up, or its guest is lost; `gone`: it stopped, or
 * somebody else has moved it.
 */
export const MoveState = z.enum([
  "noticed",
  "waiting",
  "moving",
  "retrying",
  "moved",
  "unplaced",
  "failed",
  "skipped",
  "gone",
]);
export type MoveState = z.infer<typeof MoveState>;

const count = z.int().nonnegative();

/** `total` is the sum of all others, at every read. */
export const Counters = z.strictObject({
  total: count,
  noticed: count.default(0),
  waiting: count,
  moving: count,
  retrying: count,
  moved: count,
  unplaced: count,
  failed: count,
  skipped: count,
  gone: count,
});
export type Counters = z.infer<typeof Counters>;
