import type { Pause, PauseReason } from "./pause.ts";

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
