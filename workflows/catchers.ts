import type { Catcher } from "./asl.ts";

/** The workflow's variables for the error that was caught. */
export const errorOutput = {
  errorName: "{% $states.errorOutput.Error %}",
  errorCause: "{% $exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : '' %}",
};

/**
 * Initial values of the workflow's counters: `turn` of the way back, the next `pause` of postcopy,
 * `recovery` (the attempt number of the recovery commands), and `failures` (recoveries that failed
 * in a row).
 */
export const counters = { turn: 1, pause: 1, recovery: 1, failures: 0 };

/** Before Prepare no host has been changed, so there is nothing to observe. */
export const catchNothingStarted: Catcher = {
  ErrorEquals: ["States.ALL"],
  Assign: { ...errorOutput, action: "end", reason: "nothing had been started on the hosts" },
  Next: "EndMigration",
};

/**
 * A person or the policy keeps the guest on the source. The source is cancelled before both sides
 * are observed; that is safe, since the agent refuses it past the point of no return.
 */
export const catchGuestKept: Catcher = {
  ErrorEquals: ["MigrationCancelled", "AckWaived"],
  Assign: { ...errorOutput, ...counters },
  Next: "CancelSource",
};

/** The connection broke in postcopy for the first time. */
export const catchFirstPause: Catcher = {
  ErrorEquals: ["PostcopyPaused"],
  Assign: { ...errorOutput, ...counters, pause: 2 },
  Next: "RecoverTarget",
};

/** Any other failure once the target exists. */
export const catchFailure: Catcher = {
  ErrorEquals: ["States.ALL"],
  Assign: { ...errorOutput, ...counters },
  Next: "Observe",
};
