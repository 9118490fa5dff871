import { isExpression } from "../expression.ts";
import { isObject } from "../json.ts";
import { SECONDS_MAX } from "../limits.ts";

/** Returns what a value must be, or undefined if it is that. */
type Check = (value: unknown) => string | undefined;

export type FieldTable = Readonly<Record<string, Check>>;

const text: Check = (value) => (typeof value === "string" ? undefined : "must be a string");
const name: Check = (value) =>
  typeof value === "string" && value !== "" ? undefined : "must be a non-empty string";
const anything: Check = () => undefined;
const object: Check = (value) => (isObject(value) ? undefined : "must be an object");
const list: Check = (value) => (Array.isArray(value) ? undefined : "must be an array");
const filledList: Check = (value) =>
  Array.isArray(value) && value.length > 0 ? undefined : "must be a non-empty array";
const yes: Check = (value) => (value === true ? undefined : "must be true");
const expression: Check = (value) =>
  typeof value === "string" && isExpression(value)
    ? undefined
    : "must be a JSONata expression, written {% … %}";

function oneOf(...values: readonly string[]): Check {
  return (value) =>
    values.includes(String(value)) ? undefined : `must be ${values.map(quote).join(" or ")}`;
}

function integer(min: number, max: number): Check {
  return (value) =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max
      ? undefined
      : `must be an integer from ${min} to ${max}`;
}

function integerOrExpression(min: number, max: number): Check {
  const isInteger = integer(min, max);
  return (value) => {
    if (typeof value === "string" && isExpression(value)) return undefined;
    const problem = isInteger(value);
    return problem && `${problem}, or a JSONata expression`;
  };
}

function number(min: number): Check {
  return (value) =>
    typeof value === "number" && Number.isFinite(value) && value >= min
      ? undefined
      : `must be a number of at least ${min}`;
}

function quote(value: string): string {
  return `'${value}'`;
}

const common: FieldTable = {
  Type: name,
  Comment: text,
  QueryLanguage: oneOf("JSONata"),
};
const values: FieldTable = { Assign: object, Output: anything };
const leaving: FieldTable = { Next: name, End: yes };
const recovering: FieldTable = { Retry: list, Catch: list };

export const stateFields: Readonly<Record<string, FieldTable>> = {
  Pass: { ...common, ...values, ...leaving },
  Succeed: { ...common, Output: anything },
  Fail: { ...common, Error: text, Cause: text },
  Wait: {
    ...common,
    ...values,
    ...leaving,
    Seconds: integerOrExpression(0, SECONDS_MAX),
    Timestamp: name,
  },
  Choice: { ...common, ...values, Choices: filledList, Default: name },
  Task: {
    ...common,
    ...values,
    ...leaving,
    ...recovering,
    Resource: name,
    Arguments: anything,
    TimeoutSeconds: integerOrExpression(1, SECONDS_MAX),
    HeartbeatSeconds: integerOrExpression(1, SECONDS_MAX),
  },
  Parallel: {
    ...common,
    ...values,
    ...leaving,
    ...recovering,
    Arguments: anything,
    Branches: filledList,
  },
  Map: {
    ...common,
    ...values,
    ...leaving,
    ...recovering,
    Items: anything,
    ItemSelector: anything,
    ItemProcessor: object,
    MaxConcurrency: integerOrExpression(0, 10_000),
    Label: name,
    ToleratedFailureCount: integerOrExpression(0, SECONDS_MAX),
    ToleratedFailurePercentage: integerOrExpression(0, 100),
  },
};

/** Fields that each type of state requires. */
export const requiredFields: Readonly<Record<string, readonly string[]>> = {
  Choice: ["Choices"],
  Task: ["Resource"],
  Parallel: ["Branches"],
  Map: ["ItemProcessor"],
};

export const scopeFields: FieldTable = { StartAt: name, States: object, Comment: text };
export const machineFields: FieldTable = {
  ...scopeFields,
  QueryLanguage: oneOf("JSONata"),
  TimeoutSeconds: integer(1, SECONDS_MAX),
  Version: oneOf("1.0"),
};
export const processorFields: FieldTable = { ...scopeFields, ProcessorConfig: object };
export const processorConfigFields: FieldTable = {
  Mode: oneOf("INLINE", "DISTRIBUTED"),
  ExecutionType: oneOf("STANDARD"),
};
export const choiceRuleFields: FieldTable = {
  ...values,
  Condition: expression,
  Next: name,
  Comment: text,
};
export const retrierFields: FieldTable = {
  ErrorEquals: filledList,
  IntervalSeconds: integer(1, SECONDS_MAX),
  MaxAttempts: integer(0, SECONDS_MAX),
  BackoffRate: number(1),
  MaxDelaySeconds: integer(1, 31_622_400),
  JitterStrategy: oneOf("FULL", "NONE"),
  Comment: text,
};
export const catcherFields: FieldTable = {
  ...values,
  ErrorEquals: filledList,
  Next: name,
  Comment: text,
};

const JSONPATH_FIELDS = new Set([
  "InputPath",
  "OutputPath",
  "ResultPath",
  "Parameters",
  "ResultSelector",
  "Result",
  "ItemsPath",
  "SecondsPath",
  "TimestampPath",
  "TimeoutSecondsPath",
  "HeartbeatSecondsPath",
  "MaxConcurrencyPath",
  "ToleratedFailureCountPath",
  "ToleratedFailurePercentagePath",
  "ErrorPath",
  "CausePath",
  "Variable",
]);

/**
 * Checks the fields of one object of a definition against its table.
 *
 * @param report called with the field and what is wrong with it
 */
export function checkFields(
  value: Readonly<Record<string, unknown>>,
  table: FieldTable,
  report: (field: string, problem: string) => void,
): void {
  for (const [field, content] of Object.entries(value)) {
    const check = Object.hasOwn(table, field) ? table[field] : undefined;
    const problem = check ? check(content) : unsupported(field);
    if (problem) report(field, problem);
  }
}

function unsupported(field: string): string {
  if (!JSONPATH_FIELDS.has(field)) return "is not supported";
  return "is not supported: it belongs to JSONPath, and only JSONata is";
}
