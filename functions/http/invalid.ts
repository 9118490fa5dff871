import type * as z from "zod";
import { describeValue, type FieldError, fieldName, valueAt } from "./field-error.ts";
import { Problem } from "./problem.ts";

type Issue = z.core.$ZodIssue;

const ERRORS_MAX = 20;

/** A refusal that names each field at fault, its rule, and the value that was given. */
export function invalid(issues: readonly Issue[], given: unknown): Problem {
  return refuseFields(issues.flatMap((issue) => errorsOf(issue, given)).slice(0, ERRORS_MAX));
}

/** A refusal because of these fields; its detail is about the first one. */
export function refuseFields(errors: readonly FieldError[]): Problem {
  const [first] = errors;
  const detail = first === undefined ? "The request is invalid" : sentence(first);
  return new Problem("invalid", detail, { errors });
}

/** The issues of the part that the value comes nearest to: those that lie deepest in it. */
function nearest(parts: readonly (readonly Issue[])[]): readonly Issue[] {
  const depth = (issues: readonly Issue[]) => Math.max(0, ...issues.map(({ path }) => path.length));
  return parts.reduce((best, issues) => (depth(issues) > depth(best) ? issues : best));
}

function sentence({ field, rule, received }: FieldError): string {
  const got = received === undefined ? "" : `, got ${received}`;
  return `Expected \`${field}\` to fit: ${rule}${got}`;
}

/** Zod's own words for a value that fits no part of a union. */
const UNION = "Invalid input";

function errorsOf(issue: Issue, given: unknown): FieldError[] {
  if (issue.code === "invalid_union" && issue.message === UNION && issue.errors.length > 0) {
    return nearest(issue.errors).flatMap((inner) =>
      errorsOf({ ...inner, path: [...issue.path, ...inner.path] }, given),
    );
  }
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      field: fieldName([...issue.path, key]),
      rule: "unknown field",
      received: describeValue(valueAt(given, [...issue.path, key])),
    }));
  }
  const received = valueAt(given, issue.path);
  const expected = "expected" in issue ? { expected: String(issue.expected) } : {};
  return [
    {
      field: fieldName(issue.path),
      rule: received === undefined && issue.code === "invalid_type" ? "required" : issue.message,
      ...expected,
      received: describeValue(received),
    },
  ];
}
