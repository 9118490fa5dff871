import { Problem } from "./problem.ts";

/** DynamoDB nests 32 levels deep; some are taken by the item around the value. */
const DEPTH_MAX = 24;

/**
 * Refuses JSON that the table could not hold exactly: numbers beyond 2^53 (they come as strings) and
 * values nested too deep.
 *
 * @throws Problem 422 naming the field
 */
export function requireStorable(value: unknown, path = "body", depth = 0): void {
  if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw unfit(path, "a number up to 2^53 - 1; longer ones as strings", String(value));
  }
  if (typeof value !== "object" || value === null) return;
  if (depth >= DEPTH_MAX) throw unfit(path, `at most ${DEPTH_MAX} levels deep`, "a deeper value");
  for (const [name, inner] of Object.entries(value)) {
    requireStorable(inner, `${path}.${name}`.slice(0, 500), depth + 1);
  }
}

function unfit(path: string, rule: string, received: string): Problem {
  const field = path.replace(/^body\./, "");
  return new Problem(422, "invalid", `Expected \`${field}\` to fit: ${rule}, got ${received}`, {
    errors: [{ field, rule, received }],
  });
}
