import type { ChoiceState, FailState, PassState, SucceedState, WaitState } from "../definition.ts";
import { runtimeError, StatesError } from "../errors.ts";
import { CAUSE_LENGTH_MAX, ERROR_LENGTH_MAX, SECONDS_MAX } from "../limits.ts";
import { evaluateInteger, evaluateValues, type Outcome, type StateRun } from "./state-run.ts";

export async function runPass(run: StateRun<PassState | SucceedState>): Promise<Outcome> {
  const values = await evaluateValues(run, run.state, { output: run.frame.input });
  const next = run.state.Type === "Pass" ? run.state.Next : undefined;
  return { kind: "exit", ...values, next };
}

/** @throws StatesError always, with the state's Error and Cause */
export async function runFail(run: StateRun<FailState>): Promise<never> {
  const code = await evaluateText(run, "Error", ERROR_LENGTH_MAX);
  const reason = await evaluateText(run, "Cause", CAUSE_LENGTH_MAX);
  throw new StatesError(code ?? "", reason);
}

export async function runWait(run: StateRun<WaitState>): Promise<Outcome> {
  const { Seconds, Timestamp } = run.state;
  const seconds = await evaluateInteger(run, "Seconds", Seconds, { min: 0, max: SECONDS_MAX });
  if (seconds !== undefined) return { kind: "wait", until: run.now + seconds * 1000 };
  const timestamp = await run.evaluate(Timestamp ?? "", "Timestamp");
  const until = typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN;
  if (Number.isNaN(until)) {
    const got = JSON.stringify(timestamp);
    throw new StatesError(
      "States.QueryEvaluationError",
      `The field 'Timestamp' must be an RFC 3339 timestamp, got ${got}.`,
      "Timestamp",
    );
  }
  return { kind: "wait", until };
}

/** @throws StatesError `States.NoChoiceMatched` if no rule matches and there is no Default */
export async function runChoice(run: StateRun<ChoiceState>): Promise<Outcome> {
  const { state, frame } = run;
  for (const [index, rule] of state.Choices.entries()) {
    const at = `Choices[${index}]/`;
    const matches = await run.evaluate(rule.Condition, `${at}Condition`);
    if (typeof matches !== "boolean") {
      const got = JSON.stringify(matches);
      throw new StatesError(
        "States.QueryEvaluationError",
        `The field '${at}Condition' must be a boolean, got ${got}.`,
        `${at}Condition`,
      );
    }
    if (!matches) continue;
    const values = await evaluateValues(run, rule, { output: frame.input, at });
    return { kind: "exit", ...values, next: rule.Next };
  }
  if (state.Default === undefined) {
    throw new StatesError("States.NoChoiceMatched", "No choice rule matched.");
  }
  const values = await evaluateValues(run, state, { output: frame.input });
  return { kind: "exit", ...values, next: state.Default };
}

async function evaluateText(
  run: StateRun<FailState>,
  field: "Error" | "Cause",
  lengthMax: number,
): Promise<string | undefined> {
  const template = run.state[field];
  if (template === undefined) return undefined;
  const value = await run.evaluate(template, field);
  if (typeof value !== "string") throw runtimeError(`The field '${field}' must be a string.`);
  return value.slice(0, lengthMax);
}
