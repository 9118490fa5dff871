import { type AdvanceOutput, evacuationInput } from "../core/evacuation/execution-input.ts";
import type { EvacuationTask } from "../core/evacuation/tasks.ts";
import { type Definition, type Expression, INVOKE, INVOKE_WITH_TOKEN, type Refs } from "./asl.ts";
import { EXECUTION_SECONDS_MAX } from "./limits.ts";
import { retryForADay, retryTransient } from "./retries.ts";

export type EvacuationRefs<Ref> = Refs<EvacuationTask, Ref>;

/**
 * Steps of one execution. A step has 13 history events, of 25,000 that an execution may have; those
 * that wait longest, an hour each, still end within the execution's time.
 */
export const STEPS_MAX = 300;
/** One call does at most ten rounds, each with as many starts as there are slots. */
const STEP_SECONDS = 600;

const ID: Expression = `{% ${evacuationInput("evacuationId")} %}`;
const STATE: Expression = "{% $states.context.State.Name %}";

/**
 * One evacuation. Each move is a migration with an execution of its own; this one only decides what
 * may start. It does a step (Advance), then waits for a task token until something changes: a move
 * ends, a person acts, a host changes. So it costs three transitions for each move that ends, however
 * long that takes. After many steps another execution takes over, so a history never grows long: no
 * number of moves is too large for it, and nothing but the evacuation's id is passed on.
 *
 * @param stepsMax steps after which another execution takes over
 */
export function evacuationDefinition<Ref>(
  refs: EvacuationRefs<Ref>,
  { stepsMax = STEPS_MAX }: { stepsMax?: number } = {},
): Definition {
  const of = (field: keyof typeof AdvanceOutput.shape) =>
    `{% $states.result.Payload.${field} %}` as const;
  return {
    Comment: "Empties hosts by migrations, as an approved plan says",
    QueryLanguage: "JSONata",
    StartAt: "Begin",
    TimeoutSeconds: EXECUTION_SECONDS_MAX,
    States: {
      Begin: { Type: "Pass", Assign: { steps: 0 }, Next: "Advance" },
      Advance: {
        Type: "Task",
        Comment: "Does all that can be done now: turns, starts, retries, new versions, the end",
        Resource: INVOKE,
        Arguments: payload(refs["advance-evacuation"]),
        TimeoutSeconds: STEP_SECONDS,
        Retry: retryForADay,
        Assign: { ended: of("ended"), waitSeconds: of("waitSeconds"), steps: "{% $steps + 1 %}" },
        Next: "IsOver",
      },
      IsOver: {
        Type: "Choice",
        Choices: [
          { Condition: "{% $ended %}", Next: "Ended" },
          { Condition: `{% $steps >= ${stepsMax} %}`, Next: "Continue" },
        ],
        Default: "AwaitChange",
      },
      AwaitChange: {
        Type: "Task",
        Comment: "Until something changes, or the next retry is due",
        Resource: INVOKE_WITH_TOKEN,
        Arguments: payload(refs["await-evacuation"], {
          taskToken: "{% $states.context.Task.Token %}",
        }),
        TimeoutSeconds: "{% $waitSeconds %}",
        Retry: [retryTransient],
        Catch: [
          { ErrorEquals: ["States.Timeout"], Next: "Advance" },
          { ErrorEquals: ["States.ALL"], Next: "AdvanceLater" },
        ],
        Next: "Advance",
      },
      AdvanceLater: {
        Type: "Wait",
        Comment: "The wait could not be registered: the step looks at everything again",
        Seconds: 60,
        Next: "Advance",
      },
      Continue: {
        Type: "Task",
        Comment: "Another execution takes over, with an empty history",
        Resource: INVOKE,
        Arguments: payload(refs["continue-evacuation"], {
          generation: `{% ${evacuationInput("generation")} %}`,
        }),
        TimeoutSeconds: 60,
        Retry: retryForADay,
        Next: "Ended",
      },
      Ended: { Type: "Succeed" },
    },
  };
}

function payload<Ref>(functionName: Ref, rest: object = {}) {
  return { FunctionName: functionName, Payload: { evacuationId: ID, state: STATE, ...rest } };
}
