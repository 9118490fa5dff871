import type { Blocker } from "../../core/negotiate/agreement.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { checkPolicy } from "../../core/negotiate/policy-check.ts";
import { type FieldError, Problem } from "../http/problem.ts";

const RECEIVED_MAX = 100;

/**
 * Refuses a policy that no pair of hosts could follow: unknown names, values out of range, demands
 * that contradict one another.
 *
 * @throws Problem 422 naming each field, its rule, the value and the cure
 */
export function requireSoundPolicy(policy: MigrationPolicy): void {
  const found = checkPolicy(policy);
  const [first] = found;
  if (first === undefined) return;
  const errors = found.map((blocker) => fieldError(blocker, policy));
  const field = first.field === undefined ? "" : `\`${first.field}\`: `;
  throw new Problem(422, "invalid", `${field}${first.message}. ${first.cure}`, { errors });
}

function fieldError({ field = "policy", message, cure }: Blocker, policy: object): FieldError {
  const received = valueAt(field, policy);
  return {
    field,
    rule: message,
    ...(received === undefined ? {} : { received }),
    cure,
  };
}

/** Of `policy.<member>` or `policy.<member>.<name>`; names may hold dots. */
function valueAt(field: string, policy: object): string | undefined {
  const [, member = "", ...rest] = field.split(".");
  const whole: unknown = Reflect.get(policy, member);
  if (rest.length === 0 || typeof whole !== "object" || whole === null) return shown(whole);
  const name = rest.join(".");
  return Array.isArray(whole) ? shown(name) : shown(Reflect.get(whole, name));
}

function shown(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value).slice(0, RECEIVED_MAX);
}
