import { Problem } from "../http/problem.ts";
import type { ProblemCode } from "../http/problem-codes.ts";
import { log } from "../runtime/log.ts";
import { isTableFailure } from "../runtime/table-failure.ts";

/** The service that a request needs and cannot reach. */
type Unavailable = Extract<
  ProblemCode,
  "host-unreachable" | "workflow-unavailable" | "scheduler-unavailable"
>;

const details: Record<Unavailable, string> = {
  "host-unreachable": "The command could not be sent to the host; try again",
  "workflow-unavailable": "The workflow could not be reached; try again",
  "scheduler-unavailable": "EventBridge Scheduler could not be reached; try again",
};

/**
 * Refuses with `code` when the work fails. Refusals, and failures of the table, are passed on.
 *
 * @throws Problem
 */
export async function orUnavailable<T>(code: Unavailable, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Problem || isTableFailure(cause)) throw cause;
    log().error({ err: cause }, details[code]);
    throw new Problem(code, details[code]);
  }
}
