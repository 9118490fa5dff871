import * as z from "zod";

/**
 * Integers on the wire. QEMU sends int64 and uint64 as JSON numbers; `max-bandwidth` may read back
 * 2^64-1 and `expected-downtime` 2^63-1, which a JavaScript number cannot hold. The rule:
 *
 * - An integer outside ±(2^53-1) is a `bigint`, every other number is a `number`, both ways.
 * - Values that may be written back (migration parameters) keep that form: `integer`.
 * - Figures that are only read (bytes, milliseconds, counts) are clamped to a safe number: `figure`.
 */
export type QmpInteger = number | bigint;

/** The lossless form. */
export const integer = z.union([z.number(), z.bigint()]);

/** The clamped form: 2^63-1 milliseconds becomes `Number.MAX_SAFE_INTEGER`, practically for ever. */
export const figure = integer.transform(toSafeNumber);

/** Clamps to ±(2^53-1); a number passes as it is. */
export function toSafeNumber(value: QmpInteger): number {
  if (typeof value === "number") return value;
  return value < 0n ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
}

// JSON.parse with a reviver is several times slower, so it is used only for lines that may need it:
// 2^53 has 16 digits. Digits in a string or a fraction cause the slow parse too, with the same result.
const LONG_NUMBER = /\d{16}/;
const INTEGER_LITERAL = /^-?\d+$/;

/** `JSON.parse` under the rule above. @throws SyntaxError as `JSON.parse` does */
export function parseJson(text: string): unknown {
  return LONG_NUMBER.test(text) ? parseWithSource(text, reviveInteger) : JSON.parse(text);
}

/** `JSON.stringify` under the rule above: a bigint is written as a JSON number. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "bigint" ? rawJson(member.toString()) : member,
  );
}

function reviveInteger(_key: string, value: unknown, context: { readonly source?: string }) {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context.source ?? "";
  return INTEGER_LITERAL.test(source) ? BigInt(source) : value;
}

// ES2026 "JSON.parse source text access": in Node since 21, not yet in TypeScript's library types.
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): unknown };
const parseWithSource = JSON.parse as (
  text: string,
  reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown;
