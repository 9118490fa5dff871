/**
 * Whether a Retry or Catch with these `ErrorEquals` applies to the error.
 *
 * - `States.Runtime` always ends the execution: nothing matches it.
 * - `States.ALL` and `States.TaskFailed` leave `States.DataLimitExceeded` alone; it must be named.
 * - `States.TaskFailed` stands for any error but the two timeouts.
 * - `States.Timeout` also covers a missed heartbeat.
 *
 * (Step Functions developer guide, "Handling errors in Step Functions workflows".)
 */
export function matchesError(errorEquals: readonly string[], code: string): boolean {
  if (code === "States.Runtime") return false;
  return errorEquals.some((name) => name === code || matchesWildcard(name, code));
}

const TIMEOUTS = new Set(["States.Timeout", "States.HeartbeatTimeout"]);

function matchesWildcard(name: string, code: string): boolean {
  switch (name) {
    case "States.ALL":
      return code !== "States.DataLimitExceeded";
    case "States.TaskFailed":
      return code !== "States.DataLimitExceeded" && !TIMEOUTS.has(code);
    case "States.Timeout":
      return TIMEOUTS.has(code);
    default:
      return false;
  }
}
