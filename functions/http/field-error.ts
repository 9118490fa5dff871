import * as z from "zod";

const RECEIVED_MAX = 100;
const FIELD_MAX = 500;

/** One field that broke a rule. */
export const FieldError = z.object({
  /** Path of the field, for example `definition.devices[2].driver`. */
  field: z.string(),
  rule: z.string(),
  expected: z.string().optional(),
  received: z.string().optional(),
  /** What to do, where the rule does not already say it. */
  cure: z.string().optional(),
});
export type FieldError = z.infer<typeof FieldError>;

export type FieldPath = readonly PropertyKey[];

/** The path as text: `definition.devices[2].driver`; `body` for the whole. */
export function fieldName(path: FieldPath): string {
  const text = path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./, "")
    .slice(0, FIELD_MAX);
  return text === "" ? "body" : text;
}

/** The value at a path; undefined where the path leads nowhere. Inherited members do not count. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, part)) {
      return undefined;
    }
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}

/** A scalar as JSON, anything else by its kind, because an answer does not echo a whole body. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "object";
  return JSON.stringify(value).slice(0, RECEIVED_MAX);
}
