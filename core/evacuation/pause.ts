import { z } from "zod";
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

/** Pauses of one evacuation at once: each person has one, each other reason too. */
export const PAUSES_MAX = 20;

/** The author of what the control plane does by itself. */
export const SYSTEM = "switchyard";

const endings: Readonly<Record<PauseReason, string>> = {
  operator: "it waits for you: POST …/resume",
  tolerance: "it waits for you: approve the newest version, or cancel",
  "error-budget": "it waits for you: POST …/resume allows as many failures again, or cancel",
  "vm-unknown": "it waits for you: reconcile the VM, or skip it",
};

/** Pauses of one author and reason are one pause; the first message of an author stays. */
export function pauseKey(reason: PauseReason, author: string): string {
  return reason === "operator" ? `operator ${author}` : reason;
}

export function newPause(
  reason: PauseReason,
  by: { author: string; message?: string | undefined },
  since: string,
): Pause {
  return {
    reason,
    author: by.author,
    ...(by.message === undefined ? {} : { message: by.message }),
    since,
    endsWith: endings[reason],
  };
}
