import aslValidator from "asl-validator";
import { keyOf } from "../arn.ts";
import { isObject } from "../json.ts";
import type { Diagnostics } from "./diagnostic.ts";

/**
 * A second opinion on structure: dangling and unreachable states, missing ends, duplicate names.
 *
 * Templates are blanked first. The engine's own checks compile every expression, and asl-validator
 * refuses some that AWS takes (an expression over several lines, an empty string, an array as
 * Output) and takes a key `States` inside a template for a state machine.
 */
export function checkWithAslValidator(definition: unknown, diagnostics: Diagnostics): void {
  const blanked = blank(definition);
  const key = keyOf(JSON.stringify(blanked));
  if (passed.has(key)) return;
  const { errors } = aslValidator(blanked, { checkPaths: false, checkArn: false });
  const [oldest] = passed;
  if (passed.size >= PASSED_MAX && oldest !== undefined) passed.delete(oldest);
  if (errors.length === 0) passed.add(key);
  for (const error of errors) {
    diagnostics.add("/", error.Message, error["Error code"]);
  }
}

/**
 * Structures that have passed before: the validator compiles its schemas for every call, which
 * takes 100 ms.
 */
const passed = new Set<string>();
const PASSED_MAX = 1000;

const blanks: Readonly<Record<string, unknown>> = {
  Assign: {},
  Output: "{% 1 %}",
  Arguments: "{% 1 %}",
  ItemSelector: "{% 1 %}",
  Items: "{% [1] %}",
  Condition: "{% true %}",
  Error: "Error",
  Cause: "Cause",
  Comment: "Comment",
};

function blank(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(blank);
  if (!isObject(value)) return value;
  const copied = Object.entries(value).map(([key, content]) => {
    const isStates = key === "States" && isObject(content);
    if (isStates) return [key, blankStates(content)];
    if (Object.hasOwn(blanks, key)) return [key, blanks[key]];
    return [
      key,
      typeof content === "string" && content.startsWith("{%")
        ? (blanks[key] ?? "{% 1 %}")
        : blank(content),
    ];
  });
  return Object.fromEntries(copied);
}

/** A state may be named like a field; only its content is blanked. */
function blankStates(states: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(states).map(([name, state]) => [name, blank(state)]));
}
