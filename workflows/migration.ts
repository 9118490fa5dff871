import { executionInput } from "../core/migration/execution-input.ts";
import {
  type Catcher,
  type Definition,
  INVOKE,
  INVOKE_WITH_TOKEN,
  retryTransient,
  type State,
} from "./asl.ts";
import {
  type Commands,
  commandLimits,
  counters,
  errorOutput,
  HEARTBEAT_SECONDS,
  MACHINE_SECONDS,
  type MigrationRefs,
  payload,
  relayPayload,
  retryForADay,
  retrySilence,
  tokenPayload,
} from "./parts.ts";
import { firstPause, postcopy } from "./postcopy.ts";
import { wayBack } from "./way-back.ts";

/**
 * One migration. Forward: Probe → Negotiate → Prepare → Precopy → AwaitAck → Switchover → Confirm →
 * Complete → Discard, with Admit → AwaitTurn before it where a host was full; waits for what has
 * happened already are passed by. Any failure once the target exists leads to Observe → Reconcile,
 * which undoes step by step until core/reconcile.ts says how things stand. Where it was decided that
 * the guest stays, the source is told so first (CancelSource).
 *
 * Nothing polls: every wait is a task token, so a migration takes 9 to 15 transitions forward
 * whatever it lasts. A missed heartbeat is not a failure: the state is tried again (same command ids,
 * so nothing is done twice) and only then looked into.
 */
export function migrationDefinition<Ref>(refs: MigrationRefs<Ref>): Definition {
  return {
    Comment: "Moves one running guest from one host to another",
    QueryLanguage: "JSONata",
    StartAt: "Begin",
    TimeoutSeconds: MACHINE_SECONDS,
    States: { ...forward(refs), ...postcopy(refs), ...wayBack(refs) },
  };
}

function forward<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  const relay = (commands: Commands, rest: object) =>
    relayPayload(refs, { commands, attempt: 1, interruptible: true, ...rest });
  const awaitSignal = (signal: string, phase: string, more: object = {}) =>
    tokenPayload(refs["await-signal"], { signal, phase, ...more });
  return {
    Begin: {
      Type: "Choice",
      Comment:
        "Looked into again, on a person's word, when its end was unknown; or there was room at once",
      Choices: [
        {
          Condition: `{% $exists(${executionInput("turn")}) %}`,
          Next: "Observe",
          Assign: {
            ...counters,
            turn: `{% ${executionInput("turn")} %}`,
            // Far beyond those of the executions before: each attempt has command ids of its own.
            recovery: `{% ${executionInput("turn")} * 100 %}`,
            errorName: "UnknownState",
            errorCause: "observed again on a person's word",
          },
        },
        { Condition: `{% $exists(${executionInput("admitted")}) %}`, Next: "Probe" },
      ],
      Default: "Admit",
    },
    Admit: {
      Type: "Task",
      Comment: "Slots and memory, when hosts have them",
      Resource: INVOKE,
      Arguments: payload(refs.admit),
      TimeoutSeconds: 60,
      Retry: [retryTransient],
      Catch: [nothingStarted],
      Assign: { admitted: "{% $states.result.Payload.admitted %}" },
      Next: "IsAdmitted",
    },
    IsAdmitted: {
      Type: "Choice",
      Choices: [{ Condition: "{% $admitted %}", Next: "Probe" }],
      Default: "AwaitTurn",
    },
    AwaitTurn: {
      Type: "Task",
      Comment: "Hosts are full",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: tokenPayload(refs.admit),
      TimeoutSeconds: 3600,
      HeartbeatSeconds: 900,
      // Nobody beats for a migration that waits its turn: asking again every 15 minutes also heals
      // a lost wake-up.
      Retry: [retryTransient, retrySilence(3)],
      Catch: [nothingStarted],
      Next: "Probe",
    },
    Probe: {
      Type: "Task",
      Comment: "Both ends at once",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relay(
        [
          { step: "probe-source", verb: "source.probe", side: "source" },
          { step: "probe-target", verb: "target.probe", side: "target" },
        ],
        { phase: "probe" },
      ),
      ...commandLimits,
      Retry: [retryTransient],
      Catch: [nothingStarted],
      Next: "Negotiate",
    },
    Negotiate: {
      Type: "Task",
      Resource: INVOKE,
      Arguments: payload(refs.negotiate),
      TimeoutSeconds: 60,
      Retry: [retryTransient],
      Catch: [nothingStarted],
      Next: "Prepare",
    },
    Prepare: {
      Type: "Task",
      Comment: "Target QEMU started paused and listening",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relay([{ step: "prepare", verb: "target.prepare", side: "target" }], {
        phase: "prepare",
      }),
      ...commandLimits,
      Retry: [retryTransient],
      Catch: [failed],
      Next: "Precopy",
    },
    Precopy: {
      Type: "Task",
      Comment: "Starts the source; over when what is left fits the downtime limit",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relay([{ step: "start", verb: "source.start", side: "source" }], {
        phase: "precopy",
        awaits: "converged",
      }),
      TimeoutSeconds: `{% ${executionInput("precopySeconds")} + 60 %}`,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient, retrySilence(5)],
      Catch: [stays, failed],
      Assign: { happened: "{% $states.result.happened %}" },
      Next: "Pace",
    },
    Pace: {
      Type: "Choice",
      Comment: "A short migration is ahead of its workflow: what has happened is not waited for",
      Choices: [
        {
          Condition: "{% 'source-completed' in $happened and 'target-running' in $happened %}",
          Next: "Complete",
        },
        { Condition: "{% 'source-completed' in $happened %}", Next: "Confirm" },
        { Condition: "{% 'acked' in $happened %}", Next: "Switchover" },
      ],
      Default: "AwaitAck",
    },
    AwaitAck: {
      Type: "Task",
      Comment: "The target's switchover ACK; passes at once when none is expected",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: awaitSignal("acked", "await-ack"),
      TimeoutSeconds: `{% ${executionInput("ackSeconds")} %}`,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient, retrySilence(5)],
      Catch: [{ ErrorEquals: ["States.Timeout"], Next: "AckExpired" }, stays, failed],
      Next: "Switchover",
    },
    AckExpired: {
      Type: "Task",
      Comment: "The policy's deadline for the ACK has passed",
      Resource: INVOKE,
      Arguments: payload(refs["ack-expired"]),
      TimeoutSeconds: 60,
      Retry: [retryTransient],
      Catch: [failed],
      Assign: {
        errorName: "AckTimeout",
        errorCause: "{% $states.result.Payload.reason %}",
        action: "{% $states.result.Payload.action %}",
        ...counters,
      },
      Next: "HoldOrGiveUp",
    },
    HoldOrGiveUp: {
      Type: "Choice",
      Choices: [{ Condition: "{% $action = 'hold' %}", Next: "HoldForAck" }],
      Default: "CancelSource",
    },
    HoldForAck: {
      Type: "Task",
      Comment: "Until the ACK comes or a person decides",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: awaitSignal("acked", "await-ack"),
      TimeoutSeconds: MACHINE_SECONDS,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient, retrySilence(5)],
      Catch: [stays, failed],
      Next: "Switchover",
    },
    Switchover: {
      Type: "Task",
      Comment: "The agents act by themselves; the source says when it has completed",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: awaitSignal("source-completed", "switchover", { pause: 1 }),
      TimeoutSeconds: `{% ${executionInput("switchoverSeconds")} + 60 %}`,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient, retrySilence(5)],
      Catch: [firstPause, stays, failed],
      Next: "Confirm",
    },
    Confirm: {
      Type: "Task",
      Comment: "The target was let run over the handover link",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: awaitSignal("target-running", "confirm"),
      TimeoutSeconds: 30,
      HeartbeatSeconds: 20,
      Retry: [retryTransient],
      Catch: [failed],
      Next: "Complete",
    },
    Complete: {
      Type: "Task",
      Comment: "Where the VM runs, the downtime; slots and lock released",
      Resource: INVOKE,
      Arguments: payload(refs.complete),
      TimeoutSeconds: 60,
      Retry: retryForADay,
      Assign: { discards: 1 },
      Next: "Discard",
    },
    Discard: {
      Type: "Task",
      Comment: "The finished source process, last; a left-over does no harm",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relay([{ step: "discard-source", verb: "source.discard", side: "source" }], {
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
      Comment: "A host may be away, or its clock off so that it takes commands for expired",
      Choices: [{ Condition: `{% $discards <= ${DISCARDS} %}`, Next: "DiscardLater" }],
      Default: "Completed",
    },
    DiscardLater: { Type: "Wait", Seconds: 10, Next: "Discard" },
    Completed: { Type: "Succeed" },
  };
}

/** How often a finished source is told to go. */
const DISCARDS = 5;

/** Before Prepare no host has been changed: there is nothing to look into. */
const nothingStarted: Catcher = {
  ErrorEquals: ["States.ALL"],
  Assign: { ...errorOutput, action: "end", reason: "nothing had been started on the hosts" },
  Next: "EndMigration",
};

/**
 * A person or the policy wants the guest to stay. The agent refuses past the point of no return, so
 * that it is safe to say so before anybody has looked.
 */
const stays: Catcher = {
  ErrorEquals: ["MigrationCancelled", "AckWaived"],
  Assign: { ...errorOutput, ...counters },
  Next: "CancelSource",
};

const failed: Catcher = {
  ErrorEquals: ["States.ALL"],
  Assign: { ...errorOutput, ...counters },
  Next: "Observe",
};
