import { type FieldPath, fieldName } from "./field-error.ts";
import { refuseFields } from "./invalid.ts";

/** DynamoDB nests 32 levels deep; the item around the value takes some of them. */
const DEPTH_MAX = 24;

/**
 * Refuses JSON that the table could not hold exactly: numbers beyond 2^53 (they must come as strings)
 * and values that are nested too deep.
 *
 * @throws Problem `invalid`, naming the field
 */
export function requireStorable(value: unknown, path: FieldPath = []): void {
  if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    refuse(path, "a number up to 2^53 - 1; longer ones as strings", String(value));
  }
  if (typeof value !== "object" || value === null) return;
  if (path.length >= DEPTH_MAX) refuse(path, `at most ${DEPTH_MAX} levels deep`, "a deeper value");
  const isArray = Array.isArray(value);
  for (const [name, inner] of Object.entries(value)) {
    requireStorable(inner, [...path, isArray ? Number(name) : name]);
  }
}

function refuse(path: FieldPath, rule: string, received: string): never {
  throw refuseFields([{ field: fieldName(path), rule, received }]);
}
