import { isDeepStrictEqual } from "node:util";

/** A JSON value of QMP. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * The expected result of one step: a value, a pattern for a text, or a predicate with its
 * description. Values that differ from run to run (ports, milliseconds, bytes) are expected by
 * class, so that the transcripts of two QEMUs of one version are equal when both are as expected.
 */
export type Expected = Json | RegExp | Matcher;

/** Records a step with the expected value, and returns the actual one. */
export type Expect = (
  step: string,
  actual: Json | Promise<Json>,
  expected: Expected,
) => Promise<Json>;

export type Matcher = { describe: string; matches: (actual: Json) => boolean };

export function isAsExpected(actual: Json, expected: Expected): boolean {
  if (expected instanceof RegExp) return typeof actual === "string" && expected.test(actual);
  if (isMatcher(expected)) return expected.matches(actual);
  return isDeepStrictEqual(actual, expected);
}

export function describeExpected(expected: Expected): string {
  if (expected instanceof RegExp) return String(expected);
  if (isMatcher(expected)) return expected.describe;
  return JSON.stringify(expected);
}

/** The text of a GenericError, exactly. */
export function refused(text: string): string {
  return `GenericError: ${text}`;
}

export function oneOf(...values: Json[]): Matcher {
  return {
    describe: `one of ${JSON.stringify(values)}`,
    matches: (actual) => values.some((value) => isDeepStrictEqual(actual, value)),
  };
}

export function atLeast(minimum: number): Matcher {
  return {
    describe: `>= ${minimum}`,
    matches: (actual) => typeof actual === "number" && actual >= minimum,
  };
}

export function between(minimum: number, maximum: number): Matcher {
  return {
    describe: `${minimum}..${maximum}`,
    matches: (actual) => typeof actual === "number" && actual >= minimum && actual <= maximum,
  };
}

/** A list that holds all the given values, whatever else. */
export function including(...values: Json[]): Matcher {
  return {
    describe: `a list with ${JSON.stringify(values)}`,
    matches: (actual) =>
      Array.isArray(actual) &&
      values.every((value) => actual.some((item) => isDeepStrictEqual(item, value))),
  };
}

/** A list that holds none of the given values. */
export function excluding(...values: Json[]): Matcher {
  return {
    describe: `a list without ${JSON.stringify(values)}`,
    matches: (actual) =>
      Array.isArray(actual) &&
      !values.some((value) => actual.some((item) => isDeepStrictEqual(item, value))),
  };
}

function isMatcher(expected: Expected): expected is Matcher {
  return typeof expected === "object" && expected !== null && "matches" in expected;
}
