import type { Verb } from "../core/protocol/command.ts";
import { INVOKE_WITH_TOKEN, type State } from "./asl.ts";
import { errorOutput } from "./catchers.ts";
import { commandLimits, EXECUTION_SECONDS_MAX, HEARTBEAT_SECONDS, SILENCES_MAX } from "./limits.ts";
import { type MigrationRefs, relayPayload, signalPayload } from "./payloads.ts";
import { retrySilence, retryTransient } from "./retries.ts";

/** Recoveries that may fail in a row before a person is called. */
const RECOVERIES_MAX = 5;
const NOT_RECOVERED = `postcopy is paused at both sides, and ${RECOVERIES_MAX} attempts to recover it have failed: the guest waits on the target for memory that is still on the source`;

/**
 * Once postcopy has begun nothing is undone: each break is recovered from, and when that fails
 * RECOVERIES_MAX times in a row a person is called. Until then nothing is ended, cancelled or
 * resumed.
 */
export function postcopy<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    RecoverTarget: {
      ...recover(refs, "recover-target", "target.recover", "target"),
      Comment: "The target listens again",
      Next: "RecoverSource",
    },
    RecoverSource: {
      ...recover(refs, "recover-source", "source.recover", "source"),
      Comment: "The source connects again; both sides continue where they were",
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
      Arguments: signalPayload(refs, {
        signal: "source-completed",
        phase: "postcopy",
        interruptible: false,
        pause: "{% $pause %}",
      }),
      TimeoutSeconds: EXECUTION_SECONDS_MAX,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient, retrySilence(SILENCES_MAX)],
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

/** A task that sends one recovery command; if it fails, the failures are counted. */
function recover<Ref>(
  refs: MigrationRefs<Ref>,
  step: string,
  verb: Verb,
  side: "source" | "target",
) {
  return {
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
  };
}
