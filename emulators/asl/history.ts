import type { HistoryEventType } from "@aws-sdk/client-sfn";
import type { JsonObject } from "./json.ts";

/** An event as GetExecutionHistory returns it, except that the timestamp is in milliseconds. */
export type HistoryEvent = {
  readonly id: number;
  readonly previousEventId: number;
  readonly at: number;
  readonly type: HistoryEventType;
  readonly details: JsonObject | null;
};

/** The event as the protocol writes it: details under their own key, time in epoch seconds. */
export function toWire(event: HistoryEvent, includeData: boolean): JsonObject {
  const key = detailsKey(event.type);
  const details = includeData || !event.details ? event.details : withoutData(event.details);
  return {
    id: event.id,
    previousEventId: event.previousEventId,
    timestamp: event.at / 1000,
    type: event.type,
    ...(details && key && { [key]: details }),
  };
}

const sharedDetails: readonly [RegExp, string][] = [
  [/StateEntered$/, "stateEnteredEventDetails"],
  [/StateExited$/, "stateExitedEventDetails"],
];

function detailsKey(type: HistoryEventType): string {
  const shared = sharedDetails.find(([pattern]) => pattern.test(type));
  return shared?.[1] ?? `${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`;
}

const DATA_FIELDS = new Set(["input", "output", "parameters", "assignedVariables"]);

function withoutData(details: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(details).filter(([key]) => !DATA_FIELDS.has(key)));
}
