import { randomUUID } from "node:crypto";
import type { TaskState } from "../definition.ts";
import { runtimeError } from "../errors.ts";
import type { Call } from "../frame.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import { SECONDS_MAX } from "../limits.ts";
import { parseResource, type Resource } from "../resource.ts";
import { createToken } from "../token.ts";
import { argumentsProblem } from "../validate/task.ts";
import { evaluateInteger, type Outcome, type StateRun } from "./state-run.ts";

const secondsRange = { min: 1, max: SECONDS_MAX };

export async function runTask(run: StateRun<TaskState>): Promise<Outcome> {
  const { state, frame } = run;
  const resource = parseResource(state.Resource);
  if (!resource) throw runtimeError(`The resource ${state.Resource} is not supported.`);
  const token =
    resource.kind === "service" && resource.pattern === "token"
      ? createToken({ executionKey: run.executionKey, frame: frame.id })
      : undefined;
  const parameters =
    state.Arguments === undefined
      ? frame.input
      : await run.evaluate(state.Arguments, "Arguments", token === undefined ? {} : { token });
  return {
    kind: "task",
    call: callOf(resource, parameters),
    resource,
    parameters,
    token,
    timeoutSeconds: await evaluateInteger(
      run,
      "TimeoutSeconds",
      state.TimeoutSeconds,
      secondsRange,
    ),
    heartbeatSeconds: await evaluateInteger(
      run,
      "HeartbeatSeconds",
      state.HeartbeatSeconds,
      secondsRange,
    ),
  };
}

/** @throws StatesError `States.Runtime` if the evaluated arguments are none the service takes */
function callOf(resource: Resource, parameters: Json): Call {
  if (resource.kind === "function") {
    return { kind: "function", functionName: resource.arn, payload: parameters, isPlain: true };
  }
  const problem = argumentsProblem(resource, parameters);
  if (problem || !isObject(parameters)) throw runtimeError(`The field 'Arguments' ${problem}.`);
  switch (resource.service) {
    case "lambda":
      return {
        kind: "function",
        functionName: requireText(parameters, "FunctionName"),
        payload: parameters.Payload ?? {},
        isPlain: false,
      };
    case "states":
      return {
        kind: "execution",
        stateMachineArn: requireText(parameters, "StateMachineArn"),
        name: parameters.Name === undefined ? randomUUID() : requireText(parameters, "Name"),
        input: JSON.stringify(parameters.Input ?? {}),
        sync: resource.pattern === "sync",
      };
    case "dynamodb":
      return {
        kind: "integration",
        name: `${resource.service}:${resource.action}`,
        arguments: parameters,
      };
  }
}

function requireText(parameters: JsonObject, field: string): string {
  const value = parameters[field];
  if (typeof value === "string" && value !== "") return value;
  throw runtimeError(`The field 'Arguments/${field}' must be a non-empty string.`);
}
