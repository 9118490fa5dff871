import type { ScopePath } from "./definition.ts";
import type { Json, JsonObject } from "./json.ts";

// An execution is a tree of frames. Each frame stands in one state of one scope: the machine, a
// branch of a Parallel, an iteration of an inline Map. A frame is plain JSON and says all there is to
// know about going on, so a process that starts with the frames of one that was killed goes on from
// there; nothing lives on a promise stack.
//
// Fields are replaced, never changed in place: the journal keeps references until it writes.

/** Work that a Task gave away. */
export type Call =
  | {
      readonly kind: "function";
      readonly functionName: string;
      readonly payload: Json;
      /** Named by its ARN as the Resource: the result is the payload alone. */
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

/** Why a frame stopped: kept so that a redrive can go on from it. */
export type Failure = {
  readonly code: string;
  readonly reason: string | null;
};

/** What a frame does at the moment. Times are milliseconds since the epoch. */
export type Step =
  /** About to enter `frame.state`. */
  | { readonly at: "enter" }
  /** Entered, about to do the state's work: for the first time, or again. */
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
  /** Present if somebody else is to finish the task with it. */
  readonly token?: string;
  /** The call was answered; only the token's holder, or a nested execution, is waited for. */
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
  /** Absent: not bounded in this way. */
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
  /** What a Map state iterates over. */
  items: readonly Json[] | null;
};

/** Whether the frame waits for something that comes from outside the execution. */
export function isWaiting(step: Step): step is Extract<Step, { serial: number }> {
  return "serial" in step;
}
