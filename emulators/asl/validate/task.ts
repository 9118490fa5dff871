import { isExpression } from "../expression.ts";
import { isObject } from "../json.ts";
import { parseResource, type Resource } from "../resource.ts";

type Report = (field: string, problem: string) => void;

/**
 * Checks a Task: a resource that this engine supports, with arguments that it honours.
 *
 * @param integrations names of the optional integrations that the engine was started with
 */
export function checkTask(
  state: Readonly<Record<string, unknown>>,
  integrations: ReadonlySet<string>,
  report: Report,
): void {
  const text = String(state.Resource);
  const resource = parseResource(text);
  if (!resource) {
    report("Resource", `is not supported: ${text}`);
    return;
  }
  if (resource.kind === "service") checkService(state, resource, integrations, report);
  const token = resource.kind === "service" && resource.pattern === "token";
  if (state.HeartbeatSeconds !== undefined && !token) {
    report("HeartbeatSeconds", "has no effect without .waitForTaskToken");
  }
  const { HeartbeatSeconds: heartbeat, TimeoutSeconds: timeout } = state;
  if (typeof heartbeat === "number" && typeof timeout === "number" && heartbeat >= timeout) {
    report("HeartbeatSeconds", "must be smaller than TimeoutSeconds");
  }
}

/** Arguments of a service, each with whether it is required. */
const argumentNames: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {
  "lambda:invoke": { FunctionName: true, Payload: false },
  "states:startExecution": { StateMachineArn: true, Name: false, Input: false },
};

/** The problem of a service call's arguments, evaluated or as written, or undefined. */
export function argumentsProblem(
  resource: Resource & { kind: "service" },
  value: unknown,
): string | undefined {
  if (!isObject(value)) return "must be an object";
  const table = argumentNames[`${resource.service}:${resource.action}`];
  if (!table) return undefined;
  const unknown = Object.keys(value).find((name) => !Object.hasOwn(table, name));
  if (unknown !== undefined) return `has the field '${unknown}', which is not supported`;
  const missing = Object.keys(table).find((name) => table[name] && value[name] === undefined);
  return missing && `must have the field '${missing}'`;
}

function checkService(
  state: Readonly<Record<string, unknown>>,
  resource: Resource & { kind: "service" },
  integrations: ReadonlySet<string>,
  report: Report,
): void {
  const name = `${resource.service}:${resource.action}`;
  if (resource.service === "dynamodb" && !integrations.has(name)) {
    report("Resource", `is not supported: the engine was started without ${name}`);
  }
  const given = state.Arguments;
  if (given === undefined) {
    report("Arguments", "is required");
    return;
  }
  if (typeof given === "string" && isExpression(given)) return;
  const problem = argumentsProblem(resource, given);
  if (problem) report("Arguments", problem);
}
