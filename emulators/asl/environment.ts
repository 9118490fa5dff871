import { nameOf } from "./arn.ts";
import type { ExecutionRecord } from "./execution-record.ts";
import type { Bindings } from "./expression.ts";
import type { Frame } from "./frame.ts";
import type { Json, JsonObject } from "./json.ts";

/** Members of `$states` besides input and context. */
export type StatesExtra = {
  readonly result?: Json;
  readonly errorOutput?: JsonObject;
  /** The token of the task about to be started. */
  readonly token?: string;
  /** The item about to be started, for ItemSelector. */
  readonly item?: { readonly index: number; readonly value: Json };
};

/**
 * Bindings for the expressions of a frame's state: functions, then variables from the outermost
 * scope inwards, then `$states`, which no variable can hide.
 */
export function bindingsOf(
  record: ExecutionRecord,
  frame: Frame,
  functions: Bindings,
  extra: StatesExtra,
): Bindings {
  const { result, errorOutput } = extra;
  const states = {
    input: frame.input,
    context: contextOf(record, frame, extra),
    ...(result !== undefined && { result }),
    ...(errorOutput !== undefined && { errorOutput }),
  };
  return { ...functions, ...visibleVariables(record, frame), states };
}

/** Variables of the frame and of the frames around it. */
export function visibleVariables(record: ExecutionRecord, frame: Frame): JsonObject {
  const parent = frame.parent === null ? undefined : record.frames.get(frame.parent);
  if (!parent) return frame.variables;
  return { ...visibleVariables(record, parent), ...frame.variables };
}

function contextOf(record: ExecutionRecord, frame: Frame, extra: StatesExtra): JsonObject {
  const { header } = record;
  const item = extra.item ?? itemOf(record, frame);
  return {
    Execution: {
      Id: header.arn,
      Input: JSON.parse(header.input),
      Name: header.name,
      RoleArn: header.roleArn,
      StartTime: new Date(header.startedAt).toISOString(),
      RedriveCount: header.redriveCount,
      ...(header.redrivenAt !== null && {
        RedriveTime: new Date(header.redrivenAt).toISOString(),
      }),
    },
    StateMachine: { Id: header.stateMachineArn, Name: nameOf(header.stateMachineArn) },
    State: {
      Name: frame.state,
      EnteredTime: new Date(frame.enteredAt).toISOString(),
      RetryCount: frame.retryCount,
    },
    ...(extra.token !== undefined && { Task: { Token: extra.token } }),
    ...(item && { Map: { Item: { Index: item.index, Value: item.value } } }),
  };
}

/** The item of the innermost Map around the frame. */
function itemOf(
  record: ExecutionRecord,
  frame: Frame,
): { readonly index: number; readonly value: Json } | undefined {
  if (frame.parent === null) return record.header.mapItem ?? undefined;
  const parent = record.frames.get(frame.parent);
  if (!parent) return undefined;
  const value = parent.items?.[frame.index];
  return value === undefined ? itemOf(record, parent) : { index: frame.index, value };
}
