// Service quotas of Standard workflows (Step Functions developer guide, "Service quotas").

/** Input, output or result of a task, state or execution. */
export const PAYLOAD_BYTES_MAX = 262_144;
/** One variable, and all variables of one Assign. */
export const ASSIGN_BYTES_MAX = 262_144;
/** All variables of one execution that one state can see. */
export const VARIABLES_BYTES_MAX = 10 * 1024 * 1024;
export const DEFINITION_BYTES_MAX = 1024 * 1024;
export const REQUEST_BYTES_MAX = 1024 * 1024;
export const HISTORY_EVENTS_MAX = 25_000;
/** An execution with more events than this cannot be redriven. */
export const REDRIVE_EVENTS_MAX = 24_999;
export const REDRIVE_PERIOD_MS = 14 * 24 * 60 * 60 * 1000;
export const REDRIVES_MAX = 1000;
/**
 * Longest TimeoutSeconds, HeartbeatSeconds and Seconds; also a Task's timeout when it names none.
 */
export const SECONDS_MAX = 99_999_999;
export const INLINE_MAP_CONCURRENCY_MAX = 40;
export const DISTRIBUTED_MAP_CONCURRENCY_MAX = 10_000;
export const NAME_LENGTH_MAX = 80;
export const ERROR_LENGTH_MAX = 256;
export const CAUSE_LENGTH_MAX = 32_768;
