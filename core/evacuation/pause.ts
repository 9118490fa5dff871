import * as z from "zod";
import { Message, Owner } from "../host/cordon.ts";

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
  /** No window of its schedule is open, or nothing that is left would end in this one. */
  "window-end",
  /** A change freeze holds. */
  "freeze",
]);
export type PauseReason = z.infer<typeof PauseReason>;

/** One reason to start nothing. An evacuation runs when it has none. */
export const Pause = z.strictObject({
  reason: PauseReason,
  author: Owner,
  message: Message.optional(),
  since: z.iso.datetime(),
  /** What ends it, for people. */
  endsWith: z.string(),
});
export type Pause = z.infer<typeof Pause>;
