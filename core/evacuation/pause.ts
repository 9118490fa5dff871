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
  /** No window of its schedule is open, or nothing that is left would end in this one. */
  "window-end",
  /** A change freeze holds. */
  "freeze",
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

/** Pauses of one evacuation at once: each person has one, each other reason too. */
export const PAUSES_MAX = 20;

/** The author of what the control plane does by itself. */
export const SYSTEM = "switchyard";

/** Pauses that the clock begins and ends: an evacuation has one of them at a time. */
export const timedPauses = ["window-end", "freeze"] as const satisfies PauseReason[];
export type TimedPause = (typeof timedPauses)[number];

const endings: Readonly<Record<Exclude<PauseReason, TimedPause>, string>> = {
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
  reason: Exclude<PauseReason, TimedPause>,
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
