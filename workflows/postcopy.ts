import { type Catcher, INVOKE_WITH_TOKEN, retryTransient, type State } from "./asl.ts";
import {
  commandLimits,
  counters,
  errorOutput,
  HEARTBEAT_SECONDS,
  MACHINE_SECONDS,
  type MigrationRefs,
  relayPayload,
  retrySilence,
  tokenPayload,
} from "./parts.ts";

/** Attempts to recover postcopy, one after the other, before a person is called. */
const RECOVERIES_MAX = 5;
const NOT_RECOVERED = `postcopy is paused at both ends, and ${RECOVERIES_MAX} attempts did not bring them together: the guest waits on the target for memory that is still on the source`;

/** The connection broke in postcopy: a new one is made. */
export const firstPause: Catcher = {
  ErrorEquals: ["PostcopyPaused"],
  Assign: { ...errorOutput, ...counters, pause: 2 },
  Next: "RecoverTarget",
};

/**
 * From postcopy there is no way back: a break is recovered from, again and again, and when that fails
 * RECOVERIES_MAX times running a person is called. Nothing is ended, cancelled or resumed meanwhile.
 */
export function postcopy<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  const recover = (step: string, verb: string, side: string) => ({
    Type: "Task" as const,
    Resource: INVOKE_WITH_TOKEN,
    Arguments: relayPayload(refs, {
      commands: [{ step, verb, side }],
      attempt: "{% $recovery %}",
      interruptible: false,
      phase: "postcopy",
    }),
    ...commandLimits,
    Retry: [retryTransient],
    Catch: [
      {
        ErrorEquals: ["States.ALL"],
        Assign: {
          ...errorOutput,
          recovery: "{% $recovery + 1 %}",
          failures: "{% $failures + 1 %}",
        },
        Next: "RecoverAgain",
      },
    ],
  });
  return {
    RecoverTarget: {
      ...recover("recover-target", "target.recover", "target"),
      Comment: "The target listens again",
      Next: "RecoverSource",
    },
    RecoverSource: {
      ...recover("recover-source", "source.recover", "source"),
      Comment: "The source connects again; both ends go on where they were",
      Next: "AwaitPostcopy",
    },
    RecoverAgain: {
      Type: "Choice",
      Choices: [
        {
          Condition: `{% $failures >= ${RECOVERIES_MAX} %}`,
          Assign: { action: "freeze", reason: NOT_RECOVERED },
          Next: "EndMigration",
        },
      ],
      Default: "RecoverLater",
    },
    RecoverLater: { Type: "Wait", Seconds: 10, Next: "RecoverTarget" },
    AwaitPostcopy: {
      Type: "Task",
      Comment: "The guest runs on the target; the rest of its memory follows",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: tokenPayload(refs["await-signal"], {
        signal: "source-completed",
        phase: "postcopy",
        interruptible: false,
        pause: "{% $pause %}",
      }),
      TimeoutSeconds: MACHINE_SECONDS,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient, retrySilence(5)],
      Catch: [
        {
          ErrorEquals: ["PostcopyPaused"],
          Assign: {
            ...errorOutput,
            pause: "{% $pause + 1 %}",
            recovery: "{% $recovery + 1 %}",
            failures: 0,
          },
          Next: "RecoverTarget",
        },
        { ErrorEquals: ["States.ALL"], Assign: errorOutput, Next: "Observe" },
      ],
      Next: "Confirm",
    },
  };
}
