import { type FieldPath, fieldName } from "./field-error.ts";
import { refuseFields } from "./invalid.ts";

/** DynamoDB nests 32 levels deep; the item around the value takes some of them. */
const DEPTH_MAX = 24;
/** DynamoDB Developer Guide, "Data types", Number: the smallest magnitude besides 0. */
const NUMBER_MIN = 1e-130;

/**
 * Refuses JSON that the table could not hold exactly: numbers beyond 2^53 (they must come as
 * strings) or below 1e-130, strings that are not Unicode text, and values that are nested too deep.
 *
 * @throws Problem `invalid`, naming the field
 */
export function requireStorable(value: unknown, path: FieldPath = []): void {
  if (typeof value === "number") requireNumber(value, path);
  if (typeof value === "string") requireText(value, path);
  if (typeof value !== "object" || value === null) return;
  if (path.length >= DEPTH_MAX) refuse(path, `at most ${DEPTH_MAX} levels deep`, "a deeper value");
  const isArray = Array.isArray(value);
  for (const [name, inner] of Object.entries(value)) {
    if (!isArray) requireText(name, path);
    requireStorable(inner, [...path, isArray ? Number(name) : name]);
  }
}

function requireNumber(value: number, path: FieldPath): void {
  const size = Math.abs(value);
  if (size > Number.MAX_SAFE_INTEGER) {
    refuse(path, "a number up to 2^53 - 1; longer ones as strings", String(value));
  }
  if (size > 0 && size < NUMBER_MIN) {
    refuse(path, `0, or a number of at least ${NUMBER_MIN}`, String(value));
  }
}

function requireText(value: string, path: FieldPath): void {
  if (!value.isWellFormed()) refuse(path, "Unicode text", "half of a surrogate pair");
}

function refuse(path: FieldPath, rule: string, received: string): never {
  throw refuseFields([{ field: fieldName(path), rule, received }]);
}
