import type { HistoryEventType } from "@aws-sdk/client-sfn";
import type { StatesError } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import { eventResource, type Resource } from "./resource.ts";
import type { TaskOutcome } from "./states/state-run.ts";

/** An event to be written: its type and details. */
export type EventDraft = readonly [HistoryEventType, JsonObject | null];

const complete: JsonObject = { truncated: false };

/** A function's ARN and a service integration have different events. */
export function scheduledEvents(task: TaskOutcome, region: string): EventDraft[] {
  const { resource, timeoutSeconds, heartbeatSeconds } = task;
  const parameters = JSON.stringify(task.parameters);
  const timeout = timeoutSeconds !== undefined && { timeoutInSeconds: timeoutSeconds };
  if (resource.kind === "function") {
    const details = { resource: resource.arn, input: parameters, inputDetails: complete };
    return [
      ["LambdaFunctionScheduled", { ...details, ...timeout }],
      ["LambdaFunctionStarted", null],
    ];
  }
  const heartbeat = heartbeatSeconds !== undefined && { heartbeatInSeconds: heartbeatSeconds };
  const names = namesOf(resource);
  return [
    ["TaskScheduled", { ...names, region, parameters, ...timeout, ...heartbeat }],
    ["TaskStarted", names],
  ];
}

export function submittedEvent(resource: Resource, output: Json): EventDraft | undefined {
  if (resource.kind === "function") return undefined;
  return ["TaskSubmitted", { ...namesOf(resource), ...outputOf(output) }];
}

export function succeededEvent(resource: Resource, output: Json): EventDraft {
  if (resource.kind === "function") return ["LambdaFunctionSucceeded", outputOf(output)];
  return ["TaskSucceeded", { ...namesOf(resource), ...outputOf(output) }];
}

export function failedEvent(resource: Resource, error: StatesError): EventDraft {
  const details = errorOf(error);
  if (resource.kind === "function") return ["LambdaFunctionFailed", details];
  return ["TaskFailed", { ...namesOf(resource), ...details }];
}

export function timedOutEvent(resource: Resource, error: StatesError): EventDraft {
  const details = errorOf(error);
  if (resource.kind === "function") return ["LambdaFunctionTimedOut", details];
  return ["TaskTimedOut", { ...namesOf(resource), ...details }];
}

/** The error as details of an event. */
export function errorOf(error: {
  readonly code: string;
  readonly reason?: string | undefined;
}): JsonObject {
  return {
    ...(error.code !== "" && { error: error.code }),
    ...(error.reason !== undefined && { cause: error.reason }),
  };
}

function namesOf(resource: Resource & { kind: "service" }): JsonObject {
  return { resourceType: resource.service, resource: eventResource(resource) };
}

function outputOf(output: Json): JsonObject {
  return { output: JSON.stringify(output), outputDetails: complete };
}
