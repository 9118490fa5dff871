import { INVOKE, INVOKE_WITH_TOKEN, type State } from "./asl.ts";
import { catchFailure } from "./catchers.ts";
import { commandLimits } from "./limits.ts";
import { type MigrationRefs, payload, relayPayload, signalPayload } from "./payloads.ts";
import { retryForADay, retryTransient } from "./retries.ts";

/** Attempts to end the finished source process. */
const DISCARD_ATTEMPTS_MAX = 5;

/** From the source's `completed` to a recorded end, and the end of the source's process. */
export function complete<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    Confirm: {
      Type: "Task",
      Comment:
        "Ends when the guest was seen on the target, or at once when the handover has failed",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: signalPayload(refs, { signal: "target-arrived", phase: "confirm" }),
      TimeoutSeconds: 30,
      HeartbeatSeconds: 20,
      Retry: [retryTransient],
      Catch: [catchFailure],
      Next: "Complete",
    },
    Complete: {
      Type: "Task",
      Comment: "Records where the VM runs and the downtime; releases slots and lock",
      Resource: INVOKE,
      Arguments: payload(refs.complete),
      TimeoutSeconds: 60,
      Retry: retryForADay,
      Assign: { discards: 1 },
      Next: "Discard",
    },
    Discard: {
      Type: "Task",
      Comment: "Ends the finished source process, last; one that is left over does no harm",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relayPayload(refs, {
        commands: [{ step: "discard-source", verb: "source.discard", side: "source" }],
        attempt: "{% $discards %}",
        interruptible: false,
      }),
      ...commandLimits,
      Retry: [retryTransient],
      Catch: [
        {
          ErrorEquals: ["States.ALL"],
          Assign: { discards: "{% $discards + 1 %}" },
          Next: "DiscardAgain",
        },
      ],
      Next: "Completed",
    },
    DiscardAgain: {
      Type: "Choice",
      Comment: "A host may be unreachable, or its clock so wrong that commands seem expired",
      Choices: [{ Condition: `{% $discards <= ${DISCARD_ATTEMPTS_MAX} %}`, Next: "DiscardLater" }],
      Default: "Completed",
    },
    DiscardLater: { Type: "Wait", Seconds: 10, Next: "Discard" },
    Completed: { Type: "Succeed" },
  };
}
