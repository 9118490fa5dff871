import * as z from "zod";

/**
 * A run state as a host reported it. The host's event number `seq` orders the reports of one host; a
 * host's clock may be set back.
 */
export const SeenRunState = z.object({
  runState: z.string(),
  /** What QEMU reported beside it. */
  reason: z.string().optional(),
  atMs: z.number(),
  seq: z.int().nonnegative(),
});
export type SeenRunState = z.infer<typeof SeenRunState>;
