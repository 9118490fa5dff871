import { executionInput } from "../core/migration/execution-input.ts";
import { INVOKE, INVOKE_WITH_TOKEN, type State } from "./asl.ts";
import { catchFailure, catchGuestKept, counters } from "./catchers.ts";
import { catchLate, lateState, REST_SECONDS, waitFor } from "./deadlines.ts";
import { EXECUTION_SECONDS_MAX, HEARTBEAT_SECONDS, SILENCES_MAX } from "./limits.ts";
import { type MigrationRefs, payload, signalPayload } from "./payloads.ts";
import { retrySilence, retryTransient } from "./retries.ts";

/** Assigned when the wait for the ACK begins, and when that for the end of the switchover does. */
export const waitForAck = waitFor(executionInput("ackSeconds"));
export const waitForSwitchover = waitFor(`${executionInput("switchoverSeconds")} + 60`);

/** The wait for the switchover ACK, and what the policy does when its deadline passes. */
export function awaitAck<Ref>(refs: MigrationRefs<Ref>): Record<string, State> {
  return {
    AwaitAck: {
      Type: "Task",
      Comment: "The target's switchover ACK; passes at once when none is expected",
      Resource: INVOKE_WITH_TOKEN,
      Arguments: signalPayload(refs, { signal: "acked", phase: "await-ack" }),
      TimeoutSeconds: REST_SECONDS,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient],
      Catch: [catchLate("AwaitAckLate"), catchGuestKept, catchFailure],
      Assign: waitForSwitchover,
      Next: "Switchover",
    },
    AwaitAckLate: lateState("AwaitAck", "AckExpired"),
    AckExpired: {
      Type: "Task",
      Comment: "The policy's deadline for the ACK has passed",
      Resource: INVOKE,
      Arguments: payload(refs["ack-expired"]),
      TimeoutSeconds: 60,
      Retry: [retryTransient],
      Catch: [catchFailure],
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
      Arguments: signalPayload(refs, { signal: "acked", phase: "await-ack" }),
      TimeoutSeconds: EXECUTION_SECONDS_MAX,
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      Retry: [retryTransient, retrySilence(SILENCES_MAX)],
      Catch: [catchGuestKept, catchFailure],
      Assign: waitForSwitchover,
      Next: "Switchover",
    },
  };
}
