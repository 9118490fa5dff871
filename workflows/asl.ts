/**
 * The part of the Amazon States Language (JSONata) that our workflows use, with what each of their
 * states must have (a Task names its timeout and its next state). The engine in emulators/asl has
 * types of its own, for whatever a caller may send: it knows nothing of this project.
 * Spec: https://states-language.net/spec.html, JSONata: AWS Step Functions developer guide.
 */

/** A JSONata expression: a field whose value is such a string is evaluated when it is reached. */
export type Expression = `{% ${string} %}`;

/** Function names: strings that are known now, or references that the deployment resolves later. */
export type Refs<Name extends string, Ref> = Record<Name, Ref>;

/** One reference for each name. */
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
      /** When no choice applies. */
      Assign?: Record<string, unknown>;
      Default: string;
    }
  | { Type: "Pass"; Comment?: string; Assign: Record<string, unknown>; Next: string }
  | { Type: "Wait"; Comment?: string; Seconds: number | Expression; Next: string }
  | { Type: "Succeed"; Comment?: string }
  | { Type: "Fail"; Comment?: string; Error: string | Expression; Cause: string | Expression };

export type Definition = {
  Comment: string;
  QueryLanguage: "JSONata";
  StartAt: string;
  TimeoutSeconds: number;
  States: Record<string, State>;
};

/** Calls a function and waits until it returns. */
export const INVOKE = "arn:aws:states:::lambda:invoke";
/** Calls a function and waits until the task token in its payload is completed. */
export const INVOKE_WITH_TOKEN = "arn:aws:states:::lambda:invoke.waitForTaskToken";
