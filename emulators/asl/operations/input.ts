import * as z from "zod";
import { ServiceError } from "../errors.ts";
import { isObject } from "../json.ts";

/**
 * Reads an operation's input.
 *
 * @throws ServiceError `ValidationException` naming each wrong member as AWS does, and each member
 *   that this engine does not honour
 */
export function parseInput<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => describe(issue, input));
  const count =
    problems.length === 1 ? "1 validation error" : `${problems.length} validation errors`;
  throw new ServiceError("ValidationException", `${count} detected: ${problems.join("; ")}`);
}

export const arn = z.string().min(1).max(2000);
export const nextToken = z.string().min(1).max(1024).optional();
/** 0 stands for the default. */
export const maxResults = z.int().min(0).max(1000).optional();
export const PAGE_SIZE = 100;

function describe(issue: z.core.$ZodIssue, input: unknown): string[] {
  const member = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `Member '${join(member, key)}' is not supported by this engine`);
  }
  const value = valueAt(input, issue.path);
  const shown = value === undefined ? "null" : `'${shorten(value)}'`;
  return [
    `Value ${shown} at '${member}' failed to satisfy constraint: ${constraint(issue, value)}`,
  ];
}

function constraint(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined || value === null) return "Member must not be null";
  const isText = typeof value === "string";
  switch (issue.code) {
    case "too_small":
      return isText
        ? `Member must have length greater than or equal to ${issue.minimum}`
        : `Member must have value greater than or equal to ${issue.minimum}`;
    case "too_big":
      return isText
        ? `Member must have length less than or equal to ${issue.maximum}`
        : `Member must have value less than or equal to ${issue.maximum}`;
    case "invalid_value":
      return `Member must satisfy enum value set: [${issue.values.join(", ")}]`;
    default:
      return `Member is not valid: ${issue.message}`;
  }
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)];
    else value = isObject(value) ? value[String(key)] : undefined;
  }
  return value;
}

function shorten(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
