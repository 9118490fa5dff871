import type { z } from "zod";
import { type FieldError, Problem } from "./problem.ts";

type Issue = z.core.$ZodIssue;

const ERRORS_MAX = 20;
const RECEIVED_MAX = 100;

/** A refusal that names each field at fault, its rule, and the value that was given. */
export function invalid(issues: readonly Issue[], given: unknown): Problem {
  const errors = issues.flatMap((issue) => errorsOf(issue, given)).slice(0, ERRORS_MAX);
  const [first] = errors;
  const detail = first === undefined ? "The request is invalid" : sentence(first);
  return new Problem(422, "invalid", detail, { errors });
}

function sentence({ field, rule, received }: FieldError): string {
  const got = received === undefined ? "" : `, got ${received}`;
  return `Expected \`${field}\` to fit: ${rule}${got}`;
}

function errorsOf(issue: Issue, given: unknown): FieldError[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      field: pathOf([...issue.path, key]),
      rule: "unknown field",
      received: shown(at(given, [...issue.path, key])),
    }));
  }
  const received = at(given, issue.path);
  const expected = "expected" in issue ? { expected: String(issue.expected) } : {};
  return [
    {
      field: pathOf(issue.path),
      rule: received === undefined && issue.code === "invalid_type" ? "required" : issue.message,
      ...expected,
      received: shown(received),
    },
  ];
}

function pathOf(path: readonly PropertyKey[]): string {
  const text = path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./, "");
  return text === "" ? "body" : text;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let here = value;
  for (const part of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, part)) return undefined;
    here = (here as Record<PropertyKey, unknown>)[part];
  }
  return here;
}

/** A scalar as JSON, anything else by its kind: values of a whole body are not echoed. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "object";
  return JSON.stringify(value).slice(0, RECEIVED_MAX);
}
