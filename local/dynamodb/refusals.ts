import type { Type, Types } from "dynalite/validations/index.js";
import { validationError } from "./errors.ts";

// Members dynalite does not know which are honoured elsewhere or change nothing here.
const supportedBesides: Record<string, readonly string[]> = {
  PutItem: ["ReturnValuesOnConditionCheckFailure"],
  UpdateItem: ["ReturnValuesOnConditionCheckFailure"],
  DeleteItem: ["ReturnValuesOnConditionCheckFailure"],
  // Every read here is consistent.
  Scan: ["ConsistentRead"],
};

/**
 * Refuses each member of an input that dynalite would drop in silence.
 *
 * @throws AwsError (ValidationException) naming the member.
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
