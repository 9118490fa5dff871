/**
 * What a caller does about a migration that started and did not complete. Keys are the codes of the
 * record: names of workflow errors in kebab case. docs/reference/failures.md lists all codes, and a test
 * compares the two.
 */
export const failureCures: Readonly<Record<string, string>> = {
  "migration-cancelled": "none needed: it was asked for",
  "migration-failed":
    "read the message, which is QEMU's own; the timeline shows both sides; then try again",
  "sides-differ":
    "read `twinCheck` of the record: each difference has both values and its cure; a difference that does no harm can be accepted by its name (`policy.acceptDifferences`)",
  "storage-not-shared":
    "read `twinCheck` of the record: it has the file of each side and the cure; put the disk on storage that both hosts share, or accept the difference by its name if they do (`policy.acceptDifferences`)",
  "guest-shut-down": "none needed: the guest powered itself off; start it again if wanted",
  "guest-panicked": "read the guest's console for the cause of the panic, then start it again",
  "handover-failed":
    "the target did not let the guest run: read the message and the timeline, correct the cause on the target's host, then try again",
  "command-failed":
    "read the message: an agent could not execute a command; correct that on its host, then try again",
  "states-timeout":
    "a side did not answer, or a phase exceeded its deadline: check both agents, raise the deadline if the guest is large or busy, then try again",
  "states-heartbeat-timeout":
    "an agent was silent for minutes: check that it runs and reaches the API, then try again",
  "no-convergence":
    "allow a longer downtime (another ladder, downtimeLimitMs), give the move more bandwidth, or try again when the guest is less busy",
  "stream-not-started":
    "the message says what kept the stream from beginning: let only the source's host reach the target's migration ports, or look at the target's QEMU, then try again",
  "stream-silent":
    "check the network between the hosts, and compare the MTU on both if the message names it, then try again",
  "target-host-silent": "see whether the target's host runs and can be reached, then try again",
  "disk-not-copied":
    "the message names the disk and QEMU's words: correct the cause (room on the target, the network, the image), then try again; the source's image is untouched",
  "queue-deadline":
    "the message names the limits: wait for the other migrations of these hosts, raise the limit, or allow a longer wait (policy.queueDeadlineMs), then try again",
  "slots-deadline":
    "the message names the slots: wait for the other migrations of these hosts, raise the limit, or allow a longer wait (policy.queueDeadlineMs), then try again",
  "anti-affinity":
    "the message names the VM that is on the target or on its way: choose another target, or take one of the two out of the group",
  "host-closed": "look at the target's state and cordons, then try again or choose another target",
  "stale-migration": "none needed: another step had ended it already; the timeline shows which",
  "execution-lost":
    "the workflow's execution was stopped, or its journal was lost: see the state and the control plane's log, then try again",
  "retryable-error":
    "the table, a queue or a function failed again and again: read the control plane's log, then try again",
};

const GENERAL_CURE = "see the timeline, then try again";

/** The cure for a code; a general one for a code that is not listed. */
export function cureOf(code: string): string {
  return Object.hasOwn(failureCures, code) ? (failureCures[code] ?? GENERAL_CURE) : GENERAL_CURE;
}
