import type { ScopePath } from "./definition.ts";
import type { Json, JsonObject } from "./json.ts";

// An execution is a tree of frames. Each frame is in one state of one scope: the machine, a branch
// of a Parallel, an iteration of an inline Map. A frame is plain JSON and holds all that is needed
// to continue, so a new process continues from the frames of one that was killed; no state is on a
// promise stack.
// Fields are replaced, never changed in place: the journal keeps references until it writes.

/** The call that a Task makes. */
export type Call =
  | {
      readonly kind: "function";
      readonly functionName: string;
      readonly payload: Json;
      /** Resource is the function's ARN: the result is the payload alone. */
      readonly isPlain: boolean;
    }
  | { readonly kind: "integration"; readonly name: string; readonly arguments: JsonObject }
  | {
      readonly kind: "execution";
      readonly stateMachineArn: string;
      readonly name: string;
      readonly input: string;
      /** Whether the task waits until that execution has ended. */
      readonly sync: boolean;
    };

/** Why a frame failed: kept for a redrive. */
export type Failure = {
  readonly code: string;
  readonly reason: string | null;
};

/** What a frame does now. Times are milliseconds since the epoch. */
export type Step =
  /** About to enter `frame.state`. */
  | { readonly at: "enter" }
  /** Entered, about to run the state: for the first time, or again. */
  | { readonly at: "work" }
  | { readonly at: "wait"; readonly serial: number; readonly until: number }
  | { readonly at: "backoff"; readonly serial: number; readonly until: number }
  | TaskStep
  | ChildrenStep
  | MapRunStep
  | { readonly at: "done"; readonly output: Json }
  | { readonly at: "failed"; readonly failure: Failure }
  | { readonly at: "aborted" };

export type TaskStep = {
  readonly at: "task";
  readonly serial: number;
  readonly call: Call;
  /** Present if the task ends by SendTaskSuccess or SendTaskFailure with this token. */
  readonly token?: string;
  /** The call was answered; the task waits for its token, or for a nested execution. */
  readonly submitted: boolean;
  readonly deadline: number;
  readonly heartbeatMs?: number;
  readonly heartbeatDeadline?: number;
};

/** A Parallel or an inline Map waits for the frames whose parent it is. */
export type ChildrenStep = {
  readonly at: "children";
  readonly total: number;
  readonly started: number;
  readonly finished: number;
  readonly concurrency: number;
};

/** A distributed Map waits for executions of its own. */
export type MapRunStep = {
  readonly at: "mapRun";
  readonly serial: number;
  readonly mapRunArn: string;
  readonly total: number;
  readonly started: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly concurrency: number;
  /** Absent: no such bound. */
  readonly toleratedCount?: number;
  readonly toleratedPercentage?: number;
};

export type Frame = {
  readonly id: number;
  readonly parent: number | null;
  /** Number of the branch or of the item within the parent. */
  readonly index: number;
  readonly scope: ScopePath;
  variables: JsonObject;
  state: string;
  input: Json;
  enteredAt: number;
  /** Retries of the state so far, together and by position in its Retry list. */
  retryCount: number;
  retries: { readonly [retrier: string]: number };
  lastEventId: number;
  enteredEventId: number;
  step: Step;
  /** The items that a Map state iterates over. */
  items: readonly Json[] | null;
};

/** Whether the frame waits for an event from outside the execution. */
export function isWaiting(step: Step): step is Extract<Step, { serial: number }> {
  return "serial" in step;
}
