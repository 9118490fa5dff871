import { executionInput } from "../core/migration/execution-input.ts";
import type { MigrationTask } from "../core/migration/tasks.ts";
import { type Expression, type Refs, type Retrier, retryTransient } from "./asl.ts";

/** The functions a migration calls: an ARN each, or a reference that resolves to one. */
export type MigrationRefs<Ref> = Refs<MigrationTask, Ref>;

const MIGRATION_ID: Expression = `{% ${executionInput("migrationId")} %}`;
const TOKEN: Expression = "{% $states.context.Task.Token %}";
/** The state that calls a function; for its log. */
const STATE: Expression = "{% $states.context.State.Name %}";

/** Longest life of one migration: 16 days, more than the longest precopy and hold together. */
export const MACHINE_SECONDS = 16 * 24 * 3600;
/** Answers to a command come within seconds; QEMU may be silent for some. */
export const COMMAND_SECONDS = 120;
/** Agents beat every few seconds while a migration runs. */
export const HEARTBEAT_SECONDS = 60;

export type Commands = { step: string; verb: string; side: "source" | "target" }[];

/** Of a task that sends commands. */
export function relayPayload<Ref>({ relay }: Pick<MigrationRefs<Ref>, "relay">, rest: object) {
  return tokenPayload(relay, { parties: `{% ${executionInput("parties")} %}`, ...rest });
}

/** Arguments of a task that is over when its token is completed. */
export function tokenPayload<Ref>(functionName: Ref, rest: object = {}) {
  return payload(functionName, { taskToken: TOKEN, ...rest });
}

/** Arguments of a task that is over when its function returns. */
export function payload<Ref>(functionName: Ref, rest: object = {}) {
  return {
    FunctionName: functionName,
    Payload: { migrationId: MIGRATION_ID, state: STATE, ...rest },
  };
}

export const commandLimits = {
  TimeoutSeconds: COMMAND_SECONDS,
  HeartbeatSeconds: COMMAND_SECONDS - 1,
};

/** No beat for a while: ask again under the same ids before anybody calls it a failure. */
export function retrySilence(times: number): Retrier {
  return {
    ErrorEquals: ["States.HeartbeatTimeout"],
    IntervalSeconds: 1,
    MaxAttempts: times,
    BackoffRate: 1,
  };
}

export const errorOutput = {
  errorName: "{% $states.errorOutput.Error %}",
  errorCause: "{% $exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : '' %}",
};

/**
 * Where counting begins: turns at both ends, the next pause of postcopy, recoveries (each has command
 * ids of its own), and those that failed one after the other.
 */
export const counters = { turn: 1, pause: 1, recovery: 1, failures: 0 };

/**
 * The end of a migration must be written down: tried for a day before it is given up. The first
 * retrier that fits an error is the only one that counts, so each of them has the whole day.
 */
const aDay = { MaxAttempts: 300, BackoffRate: 2, MaxDelaySeconds: 300 };
export const retryForADay: Retrier[] = [
  { ...retryTransient, ...aDay },
  { ErrorEquals: ["States.ALL"], IntervalSeconds: 2, JitterStrategy: "FULL", ...aDay },
];
