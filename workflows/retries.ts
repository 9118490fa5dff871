import type { Retrier } from "./asl.ts";

/**
 * Lambda's own transient errors (AWS Step Functions Developer Guide, "Handle transient Lambda
 * service exceptions"), and those that a function reports as retryable. All functions are
 * idempotent.
 */
const TRANSIENT_ERRORS = [
  "Lambda.ServiceException",
  "Lambda.AWSLambdaException",
  "Lambda.SdkClientException",
  "Lambda.TooManyRequestsException",
  // The function ran into its time limit, or its machine was lost.
  "Sandbox.Timedout",
  "Lambda.Unknown",
  "RetryableError",
];

/** 6 more attempts within about a minute (1, 2, 4, 8, 16, 20 s at most). */
export const retryTransient: Retrier = {
  ErrorEquals: TRANSIENT_ERRORS,
  IntervalSeconds: 1,
  MaxAttempts: 6,
  BackoffRate: 2,
  MaxDelaySeconds: 20,
  JitterStrategy: "FULL",
};

/**
 * A missed heartbeat is not a failure yet: the state is entered again, with the same command ids, so
 * that agents repeat their answers. Step Functions may report it as `States.Timeout`: this is for
 * states whose own timeout ends nothing earlier. deadlines.ts is for those with a deadline.
 *
 * @param times attempts more; Step Functions counts them for the whole visit of the state
 */
export function retrySilence(times: number): Retrier {
  return {
    ErrorEquals: ["States.HeartbeatTimeout", "States.Timeout"],
    IntervalSeconds: 1,
    MaxAttempts: times,
    BackoffRate: 1,
  };
}

/**
 * For the tasks that record the end of a migration: tried for about a day. Only the first retrier
 * that matches an error counts, so each of them allows the whole day.
 */
export const retryForADay: Retrier[] = [
  {
    ErrorEquals: TRANSIENT_ERRORS,
    IntervalSeconds: 1,
    MaxAttempts: 300,
    BackoffRate: 2,
    MaxDelaySeconds: 300,
    JitterStrategy: "FULL",
  },
  {
    ErrorEquals: ["States.ALL"],
    IntervalSeconds: 2,
    MaxAttempts: 300,
    BackoffRate: 2,
    MaxDelaySeconds: 300,
    JitterStrategy: "FULL",
  },
];
