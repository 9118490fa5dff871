/**
 * The part of the Amazon States Language (JSONata) that our workflows use.
 * Spec: https://states-language.net/spec.html, JSONata: AWS Step Functions developer guide.
 */
export type Expression = `{% ${string} %}`;

/** A string known when the definition is made, or a reference that resolves later (infra). */
export type Refs<Name extends string, Ref> = Record<Name, Ref>;

export function refsOf<Name extends string, Ref>(
  names: readonly Name[],
  refOf: (name: Name) => Ref,
): Refs<Name, Ref> {
  return Object.fromEntries(names.map((name) => [name, refOf(name)])) as Refs<Name, Ref>;
}

export type Retrier = {
  ErrorEquals: string[];
  IntervalSeconds?: number;
  MaxAttempts?: number;
  BackoffRate?: number;
  MaxDelaySeconds?: number;
  JitterStrategy?: "FULL" | "NONE";
};

export type Catcher = {
  ErrorEquals: string[];
  Next: string;
  Assign?: Record<string, unknown>;
  Output?: unknown;
};

export type TaskState = {
  Type: "Task";
  Comment?: string;
  Resource: string;
  Arguments: unknown;
  TimeoutSeconds: number | Expression;
  HeartbeatSeconds?: number;
  Retry?: Retrier[];
  Catch?: Catcher[];
  Assign?: Record<string, unknown>;
  Output?: unknown;
  Next: string;
};

export type State =
  | TaskState
  | {
      Type: "Choice";
      Comment?: string;
      Choices: { Condition: Expression; Next: string; Assign?: Record<string, unknown> }[];
      Default: string;
    }
  | { Type: "Wait"; Comment?: string; Seconds: number | Expression; Next: string }
  | { Type: "Succeed"; Comment?: string }
  | { Type: "Fail"; Comment?: string; Error: string; Cause: string };

export type Definition = {
  Comment: string;
  QueryLanguage: "JSONata";
  StartAt: string;
  TimeoutSeconds: number;
  States: Record<string, State>;
};

export const INVOKE = "arn:aws:states:::lambda:invoke";
export const INVOKE_WITH_TOKEN = "arn:aws:states:::lambda:invoke.waitForTaskToken";

/**
 * Lambda's own transient errors (AWS's recommended list). The functions are idempotent, so trying
 * again is safe.
 */
export const retryTransient: Retrier = {
  ErrorEquals: [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    // The function was cut off: it took too long, or its machine went away.
    "Sandbox.Timedout",
    "Lambda.Unknown",
    "RetryableError",
  ],
  IntervalSeconds: 1,
  MaxAttempts: 6,
  BackoffRate: 2,
  MaxDelaySeconds: 20,
  JitterStrategy: "FULL",
};
