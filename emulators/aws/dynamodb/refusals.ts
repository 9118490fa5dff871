import type { Type, Types } from "dynalite/validations/index.js";
import { validationError } from "./errors.ts";

// Members that dynalite does not know, but that are honoured elsewhere or change nothing here.
const supportedBesides: Record<string, readonly string[]> = {
  PutItem: ["ReturnValuesOnConditionCheckFailure"],
  UpdateItem: ["ReturnValuesOnConditionCheckFailure"],
  DeleteItem: ["ReturnValuesOnConditionCheckFailure"],
  // Every read here is consistent.
  Scan: ["ConsistentRead"],
};

/**
 * Refuses each member of an input that dynalite would ignore.
 *
 * @throws AwsError `ValidationException` that names the member
 */
export function requireSupported(operation: string, input: object, types: Types): void {
  const besides = supportedBesides[operation] ?? [];
  for (const [name, value] of Object.entries(input)) {
    if (besides.includes(name) || isSwitchedOff(name, value)) continue;
    requireMember(operation, name, value, types[name]);
  }
}

function requireMember(
  operation: string,
  path: string,
  value: unknown,
  type: string | Type | undefined,
): void {
  if (type === undefined || (path === "ReturnItemCollectionMetrics" && value !== "NONE")) {
    throw validationError(`${operation}: \`${path}\` is not supported by the local DynamoDB`);
  }
  if (typeof type === "string" || typeof value !== "object" || value === null) return;
  const kind = type.type ?? "";
  const { children } = type;
  if (kind.startsWith("AttrStruct") || children === undefined) return;

  const isStruct = kind.startsWith("ValueStruct") || kind.startsWith("FieldStruct");
  for (const [name, member] of Object.entries(value)) {
    const memberType = isStruct ? (children as Types)[name] : (children as string | Type);
    requireMember(operation, `${path}.${name}`, member, memberType);
  }
}

function isSwitchedOff(name: string, value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (name === "DeletionProtectionEnabled") return value === false;
  if (name === "StreamSpecification")
    return (value as Record<string, unknown>).StreamEnabled === false;
  return false;
}

type Expression = {
  type: string;
  name?: string;
  /** The names of a path; the type and content of a value. */
  args?: unknown[];
};

/**
 * Refuses what dynalite would compare wrongly: it takes two maps or lists as never equal, and
 * `contains` finds nothing but text, numbers and bytes.
 *
 * @param checked the input as dynalite's checks return it, with parsed expressions
 * @throws AwsError `ValidationException` that names the operator
 */
export function requireComparable(operation: string, checked: Record<string, unknown>): void {
  for (const name of ["_condition", "_filter"]) {
    const parsed = checked[name] as { expression: Expression } | undefined;
    if (parsed) requireComparableArgs(operation, parsed.expression);
  }
}

function requireComparableArgs(operation: string, { type, name, args = [] }: Expression): void {
  const operator = type === "function" ? (name ?? "") : type;
  const refused = refusedTypes[operator] ?? [];
  for (const arg of args) {
    if (typeof arg !== "object" || arg === null || Array.isArray(arg)) continue;
    if ("type" in arg) requireComparableArgs(operation, arg as Expression);
    const found = refused.find((valueType) => valueType in arg);
    if (found === undefined) continue;
    throw validationError(
      `${operation}: \`${operator}\` with a value of type ${found} is not supported by the local DynamoDB`,
    );
  }
}

const refusedTypes: Record<string, readonly string[]> = {
  "=": ["M", "L"],
  "<>": ["M", "L"],
  in: ["M", "L", "BOOL"],
  contains: ["M", "L", "BOOL", "NULL", "SS", "NS", "BS"],
};
