import type { Catcher, Expression, State } from "./asl.ts";
import { counters, errorOutput } from "./catchers.ts";
import { SILENCES_MAX } from "./limits.ts";

/**
 * Waits with a deadline. The deadline is an instant in a variable: a wait that is entered again after
 * a missed heartbeat lasts for the rest only. Whether a wait is late is decided by the clock, since
 * Step Functions may report `States.Timeout` for a missed heartbeat as well.
 */

/** Assigned when a wait begins. @param seconds JSONata: how long it may last */
export function waitFor(seconds: string) {
  return { deadlineMs: `{% $millis() + (${seconds}) * 1000 %}`, silences: 0 };
}

/** `TimeoutSeconds` of a wait: what is left until its deadline. */
export const REST_SECONDS: Expression = "{% $max([1, $ceil(($deadlineMs - $millis()) / 1000)]) %}";

/** A missed heartbeat or the deadline: {@link lateState} decides which. */
export function catchLate(next: string): Catcher {
  return {
    ErrorEquals: ["States.HeartbeatTimeout", "States.Timeout"],
    Assign: { ...errorOutput, ...counters, silences: "{% $silences + 1 %}" },
    Next: next,
  };
}

/** Enters the wait again, with the same command ids, or ends it: by the clock, or after silence. */
export function lateState(wait: string, onDeadline: string): State {
  const silent = { errorName: "States.HeartbeatTimeout" };
  return {
    Type: "Choice",
    Comment: "By the clock: the deadline has passed, or only a heartbeat was missed",
    Choices: [
      {
        Condition: "{% $millis() >= $deadlineMs %}",
        Assign: { errorName: "States.Timeout" },
        Next: onDeadline,
      },
      { Condition: `{% $silences <= ${SILENCES_MAX} %}`, Assign: silent, Next: wait },
    ],
    Assign: silent,
    Default: "Observe",
  };
}
