/** Longest life of an execution: 16 days, more than the longest precopy and hold together. */
export const EXECUTION_SECONDS_MAX = 16 * 24 * 3600;

/** An agent answers a command within seconds; QEMU may keep it waiting for some more. */
const COMMAND_SECONDS = 120;

/** Agents emit progress every few seconds while a migration runs. */
export const HEARTBEAT_SECONDS = 60;

/** Missed heartbeats in one wait that are tolerated; at the next one both sides are observed. */
export const SILENCES_MAX = 5;

/** Limits of a task that waits for the answer to a command. */
export const commandLimits = {
  TimeoutSeconds: COMMAND_SECONDS,
  HeartbeatSeconds: COMMAND_SECONDS - 1,
};
