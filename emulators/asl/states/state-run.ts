import type { ScopePath, State } from "../definition.ts";
import type { StatesExtra } from "../environment.ts";
import { StatesError } from "../errors.ts";
import type { Call, Frame } from "../frame.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Resource } from "../resource.ts";

/** A state that runs: its definition, its frame, and how to evaluate its fields. */
export type StateRun<S extends State> = {
  readonly state: S;
  readonly frame: Frame;
  /** The execution's key in task tokens. */
  readonly executionKey: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** @throws StatesError `States.QueryEvaluationError` */
  evaluate(template: Json, field: string, extra?: StatesExtra): Promise<Json>;
};

/** The result of running a state. */
export type Outcome =
  /** Nothing to wait for: enter `next`, or end the scope without it. */
  | {
      readonly kind: "exit";
      readonly output: Json;
      readonly assign: JsonObject;
      readonly next: string | undefined;
    }
  | { readonly kind: "wait"; readonly until: number }
  | TaskOutcome
  | { readonly kind: "branches"; readonly input: Json; readonly scopes: readonly ScopePath[] }
  | { readonly kind: "items"; readonly items: readonly Json[]; readonly concurrency: number }
  | {
      readonly kind: "mapRun";
      readonly items: readonly Json[];
      readonly concurrency: number;
      readonly toleratedCount: number | undefined;
      readonly toleratedPercentage: number | undefined;
    };

export type TaskOutcome = {
  readonly kind: "task";
  readonly call: Call;
  readonly resource: Resource;
  /** Evaluated Arguments, for the history. */
  readonly parameters: Json;
  readonly token: string | undefined;
  readonly timeoutSeconds: number | undefined;
  readonly heartbeatSeconds: number | undefined;
};

/**
 * Evaluates a field that is an integer or an expression for one.
 *
 * @throws StatesError `States.QueryEvaluationError` if the value is not an integer within the range
 */
export async function evaluateInteger(
  run: StateRun<State>,
  field: string,
  template: number | string | undefined,
  range: { readonly min: number; readonly max: number },
): Promise<number | undefined> {
  if (template === undefined) return undefined;
  const value = await run.evaluate(template, field);
  if (Number.isInteger(value) && Number(value) >= range.min && Number(value) <= range.max) {
    return Number(value);
  }
  const got = JSON.stringify(value);
  throw new StatesError(
    "States.QueryEvaluationError",
    `The field '${field}' must be an integer from ${range.min} to ${range.max}, got ${got}.`,
    field,
  );
}

/**
 * Evaluates `Assign` and `Output` of a state, a choice rule or a catcher, both from the same
 * values.
 */
export async function evaluateValues(
  run: Pick<StateRun<State>, "evaluate">,
  holder: { readonly Assign?: JsonObject; readonly Output?: Json },
  defaults: { readonly output: Json; readonly at?: string },
  extra: StatesExtra = {},
): Promise<{ assign: JsonObject; output: Json }> {
  const at = defaults.at ?? "";
  const { Assign, Output } = holder;
  const assign = Assign === undefined ? {} : await run.evaluate(Assign, `${at}Assign`, extra);
  const output =
    Output === undefined ? defaults.output : await run.evaluate(Output, `${at}Output`, extra);
  return { assign: assign as JsonObject, output };
}
