/**
 * What a caller does about a migration that started and did not complete. Keys are the codes of the
 * record: names of workflow errors in kebab case. docs/reference/failures.md lists all codes, and a test
 * compares the two.
 */
export const failureCures: Readonly<Record<string, string>> = {
  "migration-cancelled": "none needed: it was asked for",
  "migration-failed":
    "read the message, which is QEMU's own; the timeline shows both ends; then try again",
  "command-failed":
    "read the message: an agent could not carry a command out; cure that on its host, then try again",
  "states-timeout":
    "an end did not answer, or a phase outlived its deadline: look at both agents, raise the deadline if the guest is large or busy, then try again",
  "states-heartbeat-timeout":
    "an agent was silent for minutes: see whether it runs and reaches the API, then try again",
  "stale-migration": "none needed: another step had ended it already; the timeline shows which",
  "retryable-error":
    "the table, a queue or a function failed again and again: look at the control plane's log, then try again",
};

const GENERAL_CURE = "see the timeline, then try again";

/** The cure for a code; a general one for a code that is not listed. */
export function cureOf(code: string): string {
  return failureCures[code] ?? GENERAL_CURE;
}
