import { executionInput } from "../core/migration/execution-input.ts";
import { waitOutput } from "../core/migration/wait-output.ts";
import { waitForAck, waitForSwitchover } from "./ack.ts";
import { INVOKE, INVOKE_WITH_TOKEN, type State } from "./asl.ts";
import { catchFailure, catchFirstPause, catchGuestKept, catchNothingStarted } from "./catchers.ts";
import { catchLate, lateState, REST_SECONDS, waitFor } from "./deadlines.ts";
import { commandLimits, HEARTBEAT_SECONDS } from "./limits.ts";
import {
  type MigrationRefs,
  payload,
  relayPayload,
  signalPayload,
  tokenPayload,
} from "./payloads.ts";
import { retryTransient } from "./retries.ts";

/** Longest wait for a turn before Admit is asked again; it knows the migration's deadline. */
const ASK_AGAIN_SECONDS = 900;

/** By the workflow's clock alone: the records are written by another one. */
const WAITED_MS = "{% $millis() - $toMillis($states.context.Execution.StartTime) %}";
const ASK_AGAIN = "$states.result.Payload.askAgainSeconds";

/** Slots and memory on both hosts. */
export function admit<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    Admit: {
      Type: "Task",
      Comment: "Slots and memory, when hosts have them",
      Resource: INVOKE,
      Arguments: payload(refs.admit, { waitedMs: WAITED_MS }),
      TimeoutSeconds: 60,
      Retry: [retryTransient],
      Catch: [catchNothingStarted],
      Assign: {
        admitted: "{% $states.result.Payload.admitted %}",
        askAgainSeconds: `{% $exists(${ASK_AGAIN}) ? ${ASK_AGAIN} : 1 %}`,
      },
      Next: "IsAdmitted",
    },
    IsAdmitted: {
      Type: "Choice",
      Choices: [{ Condition: "{% $admitted %}", Next: "Probe" }],
      Default: "AwaitTurn",
    },
    AwaitTurn: {
      Type: "Task",
      Comment: "Hosts are full. Nobody sends heartbeats: without a turn Admit is asked again",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: tokenPayload(refs.admit),
      TimeoutSeconds: "{% $askAgainSeconds %}",
      HeartbeatSeconds: ASK_AGAIN_SECONDS,
      Retry: [retryTransient],
      Catch: [
        { ErrorEquals: ["States.HeartbeatTimeout", "States.Timeout"], Next: "Admit" },
        catchNothingStarted,
      ],
      Next: "Probe",
    },
  };
}

/** From the probes of both hosts to a target that listens. */
export function prepare<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    Probe: {
      Type: "Task",
      Comment: "Both sides at once; the target's first, since it starts a QEMU",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relayPayload(refs, {
        commands: [
          { step: "probe-target", verb: "target.probe", side: "target" },
          { step: "probe-source", verb: "source.probe", side: "source" },
        ],
        attempt: 1,
        interruptible: true,
        phase: "probe",
      }),
      ...commandLimits,
      Retry: [retryTransient],
      Catch: [catchNothingStarted],
      Next: "Negotiate",
    },
    Negotiate: {
      Type: "Task",
      Resource: INVOKE,
      Arguments: payload(refs.negotiate),
      TimeoutSeconds: 60,
      Retry: [retryTransient],
      Catch: [catchNothingStarted],
      Next: "Prepare",
    },
    Prepare: {
      Type: "Task",
      Comment: "Target QEMU started paused and listening",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relayPayload(refs, {
        commands: [{ step: "prepare", verb: "target.prepare", side: "target" }],
        attempt: 1,
        interruptible: true,
        phase: "prepare",
      }),
      ...commandLimits,
      Retry: [retryTransient],
      Catch: [catchFailure],
      Assign: { ...waitForPrecopy, preparedAtMs: "{% $millis() %}" },
      Next: "Precopy",
    },
  };
}

const waitForPrecopy = waitFor(`${executionInput("precopySeconds")} + 60`);
const PREPARED_MS = "$millis() - $preparedAtMs";

/** A prepared migration whose hosts have no slot waits for one. */
export function awaitSlots<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    AwaitSlots: {
      Type: "Task",
      Comment: "The target is prepared. Whoever releases slots gives them to it",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: tokenPayload(refs.admit, { isPrepared: true, waitedMs: `{% ${PREPARED_MS} %}` }),
      TimeoutSeconds: `{% $max([1, $ceil(${executionInput("queueSeconds")} - (${PREPARED_MS}) / 1000)]) %}`,
      HeartbeatSeconds: ASK_AGAIN_SECONDS,
      Retry: [retryTransient],
      Catch: [
        {
          ErrorEquals: ["States.HeartbeatTimeout", "States.Timeout"],
          Assign: waitForPrecopy,
          Next: "Precopy",
        },
        catchFailure,
      ],
      Assign: waitForPrecopy,
      Next: "Precopy",
    },
  };
}

/** Precopy and switchover; ack.ts holds what comes between them. */
export function transfer<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  const raised = (signal: string) => `'${signal}' in $raised`;
  return {
    Precopy: {
      Type: "Task",
      Comment: "Starts the source; ends when the rest fits the downtime limit",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: relayPayload(refs, {
        commands: [{ step: "start", verb: "source.start", side: "source" }],
        attempt: 1,
        interruptible: true,
        phase: "precopy",
        awaits: "converged",
        takesSlots: `{% $not(${executionInput("admitted")} = 'held') %}`,
      }),
      TimeoutSeconds: REST_SECONDS,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient],
      Catch: [
        { ErrorEquals: ["SlotsTaken"], Next: "AwaitSlots" },
        catchLate("PrecopyLate"),
        catchGuestKept,
        catchFailure,
      ],
      Assign: { ...waitForAck, raised: `{% ${waitOutput("raised")} %}` },
      Next: "SkipFinishedWaits",
    },
    PrecopyLate: lateState("Precopy", "Observe"),
    SkipFinishedWaits: {
      Type: "Choice",
      Comment: "A short migration is ahead of its workflow: raised signals are not waited for",
      Choices: [
        {
          Condition: `{% ${raised("source-completed")} and ${raised("target-arrived")} %}`,
          Next: "Complete",
        },
        { Condition: `{% ${raised("source-completed")} %}`, Next: "Confirm" },
        {
          Condition: `{% ${raised("acked")} %}`,
          Assign: waitForSwitchover,
          Next: "Switchover",
        },
      ],
      Default: "AwaitAck",
    },
    Switchover: {
      Type: "Task",
      Comment: "The agents act by themselves; ends when the source has completed",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: signalPayload(refs, { signal: "source-completed", phase: "switchover", pause: 1 }),
      TimeoutSeconds: REST_SECONDS,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient],
      Catch: [catchFirstPause, catchLate("SwitchoverLate"), catchGuestKept, catchFailure],
      Next: "Confirm",
    },
    SwitchoverLate: lateState("Switchover", "Observe"),
  };
}
