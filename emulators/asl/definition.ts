import type { Json, JsonObject } from "./json.ts";

// The Amazon States Language, as far as this engine runs it. Only a definition that passed
// `validateDefinition` gets these types. They describe whatever a caller may send, so they are
// wider than the types that an author of definitions writes with, and are not shared with one.

/** A number, or an expression that yields one. */
export type NumberOrExpression = number | string;

export type Retrier = {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds?: number;
  readonly MaxAttempts?: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: "FULL" | "NONE";
};

export type Catcher = {
  readonly ErrorEquals: readonly string[];
  readonly Next: string;
  readonly Assign?: JsonObject;
  readonly Output?: Json;
};

type Common = {
  readonly Assign?: JsonObject;
  readonly Output?: Json;
};

type Leaving = Common & {
  readonly Next?: string;
  readonly End?: true;
};

type Recovering = Leaving & {
  readonly Retry?: readonly Retrier[];
  readonly Catch?: readonly Catcher[];
};

export type PassState = Leaving & {
  readonly Type: "Pass";
};

export type SucceedState = Common & {
  readonly Type: "Succeed";
};

export type FailState = {
  readonly Type: "Fail";
  readonly Error?: string;
  readonly Cause?: string;
};

export type WaitState = Leaving & {
  readonly Type: "Wait";
  readonly Seconds?: NumberOrExpression;
  readonly Timestamp?: string;
};

export type ChoiceRule = Common & {
  readonly Condition: string;
  readonly Next: string;
};

export type ChoiceState = Common & {
  readonly Type: "Choice";
  readonly Choices: readonly ChoiceRule[];
  readonly Default?: string;
};

export type TaskState = Recovering & {
  readonly Type: "Task";
  readonly Resource: string;
  readonly Arguments?: Json;
  readonly TimeoutSeconds?: NumberOrExpression;
  readonly HeartbeatSeconds?: NumberOrExpression;
};

export type ParallelState = Recovering & {
  readonly Type: "Parallel";
  readonly Arguments?: Json;
  readonly Branches: readonly Scope[];
};

export type MapState = Recovering & {
  readonly Type: "Map";
  readonly Items?: Json;
  readonly ItemSelector?: Json;
  readonly MaxConcurrency?: NumberOrExpression;
  readonly Label?: string;
  readonly ToleratedFailureCount?: NumberOrExpression;
  readonly ToleratedFailurePercentage?: NumberOrExpression;
  readonly ItemProcessor: Scope & {
    readonly ProcessorConfig?: { readonly Mode: "INLINE" | "DISTRIBUTED" };
  };
};

export type RecoveringState = TaskState | ParallelState | MapState;

export type State =
  | PassState
  | SucceedState
  | FailState
  | WaitState
  | ChoiceState
  | RecoveringState;

/** States among which transitions are made: a machine, a branch, or an item processor. */
export type Scope = {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
};

export type Definition = Scope & {
  readonly QueryLanguage: "JSONata";
  readonly TimeoutSeconds?: number;
};

/** Position of a scope in its definition: a frame stores it instead of the scope. */
export type ScopePath = readonly (string | number)[];

export function branchPath(outer: ScopePath, state: string, branch: number): ScopePath {
  return [...outer, state, branch];
}

export function itemProcessorPath(outer: ScopePath, state: string): ScopePath {
  return [...outer, state];
}

/** @throws Error if the path leads nowhere: the frame belongs to another definition */
export function scopeAt(definition: Definition, path: ScopePath): Scope {
  let scope: Scope = definition;
  for (let at = 0; at < path.length; at += 1) {
    const state = scope.States[String(path[at])];
    const branch = path[at + 1];
    const inner = typeof branch === "number" ? branchOf(state, branch) : processorOf(state);
    if (!inner) throw new Error(`No scope at ${path.join("/")}`);
    if (typeof branch === "number") at += 1;
    scope = inner;
  }
  return scope;
}

/** @throws Error if the scope has no such state (validation refuses dangling transitions) */
export function stateAt(scope: Scope, name: string): State {
  const state = Object.hasOwn(scope.States, name) ? scope.States[name] : undefined;
  if (!state) throw new Error(`No state ${name}`);
  return state;
}

export function isDistributed(state: MapState): boolean {
  return state.ItemProcessor.ProcessorConfig?.Mode === "DISTRIBUTED";
}

function branchOf(state: State | undefined, branch: number): Scope | undefined {
  return state?.Type === "Parallel" ? state.Branches[branch] : undefined;
}

function processorOf(state: State | undefined): Scope | undefined {
  return state?.Type === "Map" ? state.ItemProcessor : undefined;
}
