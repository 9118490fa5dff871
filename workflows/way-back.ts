import { INVOKE, INVOKE_WITH_TOKEN, retryTransient, type State } from "./asl.ts";
import { commandLimits, type MigrationRefs, payload, relayPayload, retryForADay } from "./parts.ts";

/** From a failure to an end that is written down: look, decide, take one step back, look again. */
export function wayBack<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    CancelSource: {
      Type: "Task",
      Comment:
        "At once: the ends answer late while a device loads, and meanwhile the guest would go",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relayPayload(refs, {
        commands: [{ step: "cancel-source", verb: "source.cancel", side: "source" }],
        attempt: "{% $turn %}",
        interruptible: false,
        phase: "reconcile",
      }),
      TimeoutSeconds: 30,
      HeartbeatSeconds: 29,
      Retry: [retryTransient],
      Catch: [{ ErrorEquals: ["States.ALL"], Next: "Observe" }],
      Next: "Observe",
    },
    Observe: {
      Type: "Task",
      Comment: "Asks both ends what they see; an end that does not answer is unreachable",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relayPayload(refs, {
        commands: [
          { step: "observe-source", verb: "migration.observe", side: "source" },
          { step: "observe-target", verb: "migration.observe", side: "target" },
        ],
        attempt: "{% $turn %}",
        interruptible: false,
        phase: "reconcile",
      }),
      TimeoutSeconds: 20,
      HeartbeatSeconds: 15,
      Retry: [retryTransient],
      Catch: [{ ErrorEquals: ["States.ALL"], Next: "Reconcile" }],
      Next: "Reconcile",
    },
    Reconcile: {
      Type: "Task",
      Resource: INVOKE,
      Arguments: payload(refs.reconcile, { turn: "{% $turn %}" }),
      TimeoutSeconds: 60,
      Retry: retryForADay,
      Assign: {
        turn: "{% $turn + 1 %}",
        action: "{% $states.result.Payload.action %}",
        reason: "{% $states.result.Payload.reason %}",
        undo: "{% $exists($states.result.Payload.undo) ? [$states.result.Payload.undo] : [] %}",
        pause:
          "{% $exists($states.result.Payload.pause) ? $states.result.Payload.pause : $pause %}",
      },
      Next: "Decide",
    },
    Decide: {
      Type: "Choice",
      Choices: [
        { Condition: "{% $action = 'complete' %}", Next: "Complete" },
        { Condition: "{% $action = 'wait' %}", Next: "ObserveLater" },
        { Condition: "{% $action = 'await-postcopy' %}", Next: "AwaitPostcopy" },
        { Condition: "{% $count($undo) > 0 %}", Next: "Undo" },
      ],
      Default: "EndMigration",
    },
    ObserveLater: { Type: "Wait", Seconds: 5, Next: "Observe" },
    Undo: {
      Type: "Task",
      Comment: "One step back, then what it found is looked at again",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relayPayload(refs, {
        commands: "{% $undo %}",
        attempt: "{% $turn %}",
        interruptible: false,
        phase: "undo",
      }),
      ...commandLimits,
      Retry: [retryTransient],
      Catch: [{ ErrorEquals: ["States.ALL"], Next: "ObserveLater" }],
      Next: "Reconcile",
    },
    EndMigration: {
      Type: "Task",
      Comment: "Writes the end; slots and lock released (the lock stays when nobody knows)",
      Resource: INVOKE,
      Arguments: payload(refs["end-migration"], {
        action: "{% $action %}",
        reason: "{% $reason %}",
        error: "{% $errorName %}",
        cause: "{% $errorCause %}",
      }),
      TimeoutSeconds: 60,
      Retry: retryForADay,
      Next: "NotCompleted",
    },
    NotCompleted: {
      Type: "Fail",
      Error: "{% $errorName %}",
      Cause: "{% $reason %}",
    },
  };
}
