import { z } from "zod";

/** Who asks for something: a person's or a program's name, as it says itself. */
export const Author = z
  .string()
  .regex(/^[\w.@-]{1,64}$/, "expected 1 to 64 characters of letters, digits and . _ @ -");

export const Message = z.string().min(1).max(500);

/** Why an evacuation starts nothing. */
export const PauseReason = z.enum([
  /** A person has asked for it. */
  "operator",
  /** The newest plan exceeds the tolerance: a person must approve it. */
  "tolerance",
  /** More VMs have failed than the error budget allows. */
  "error-budget",
  /** Nobody knows where a VM runs. */
  "vm-unknown",
]);
export type PauseReason = z.infer<typeof PauseReason>;

/** One reason to start nothing. An evacuation runs when it has none. */
export const Pause = z.strictObject({
  reason: PauseReason,
  author: Author,
  message: Message.optional(),
  since: z.iso.datetime(),
  /** What ends it, for people. */
  endsWith: z.string(),
});
export type Pause = z.infer<typeof Pause>;
