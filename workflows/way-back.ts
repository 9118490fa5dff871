import { INVOKE, INVOKE_WITH_TOKEN, type State } from "./asl.ts";
import { commandLimits } from "./limits.ts";
import { type MigrationRefs, payload, relayPayload } from "./payloads.ts";
import { retryForADay, retryTransient } from "./retries.ts";

/** From a failure to a recorded end: observe, decide, undo one step, and again. */
export function wayBack<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return { ...observe(refs), ...decide(refs), ...end(refs) };
}

function observe<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    CancelSource: {
      Type: "Task",
      Comment:
        "First: while a device loads, observing takes so long that the guest could switch over",
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
      Comment: "Asks both sides for their state; a side that does not answer is unreachable",
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
    ObserveLater: { Type: "Wait", Seconds: 5, Next: "Observe" },
  };
}

function decide<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  const given = (field: string) => `$states.result.Payload.${field}`;
  return {
    Reconcile: {
      Type: "Task",
      Resource: INVOKE,
      Arguments: payload(refs.reconcile, { turn: "{% $turn %}" }),
      TimeoutSeconds: 60,
      Retry: retryForADay,
      Assign: {
        turn: "{% $turn + 1 %}",
        action: `{% ${given("action")} %}`,
        reason: `{% ${given("reason")} %}`,
        undo: `{% $exists(${given("undo")}) ? [${given("undo")}] : [] %}`,
        isRepeated: `{% $exists(${given("isRepeated")}) %}`,
        pause: `{% $exists(${given("pause")}) ? ${given("pause")} : $pause %}`,
      },
      Next: "Decide",
    },
    Decide: {
      Type: "Choice",
      Choices: [
        { Condition: "{% $action = 'complete' %}", Next: "Complete" },
        { Condition: "{% $action = 'wait' %}", Next: "ObserveLater" },
        { Condition: "{% $action = 'await-postcopy' %}", Next: "AwaitPostcopy" },
        { Condition: "{% $count($undo) > 0 and $isRepeated %}", Next: "UndoLater" },
        { Condition: "{% $count($undo) > 0 %}", Next: "Undo" },
      ],
      Default: "EndMigration",
    },
    UndoLater: {
      Type: "Wait",
      Comment: "The last turn took the same step: its cause may pass",
      Seconds: 5,
      Next: "Undo",
    },
    Undo: {
      Type: "Task",
      Comment: "One step, whose answer is an observation of that side; then both decide again",
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
  };
}

function end<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    EndMigration: {
      Type: "Task",
      Comment: "Records the end and releases slots and lock; keeps the lock if the end is unknown",
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
