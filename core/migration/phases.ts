/** Names of a migration's phases, without the schemas: a command line starts faster so. */

/** In their order; the way back may begin after any of them. */
export const forwardPhases = [
  "admit",
  "probe",
  "negotiate",
  "prepare",
  "precopy",
  "await-ack",
  "switchover",
  "confirm",
] as const;

/** `reconcile`: observe and decide; `undo`: one step; `end`: record the end. */
export const wayBackPhases = ["reconcile", "undo", "end"] as const;

/** Once postcopy has begun it is recovered; there is nothing to undo. */
export const recoveryPhases = ["postcopy"] as const;
