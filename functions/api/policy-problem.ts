import type { Blocker } from "../../core/negotiate/agreement.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { checkPolicy } from "../../core/negotiate/policy-check.ts";
import { describeValue, type FieldError, type FieldPath, valueAt } from "../http/field-error.ts";
import { Problem } from "../http/problem.ts";

/**
 * Refuses a policy that no pair of hosts could follow: unknown names, values out of range, demands
 * that contradict one another.
 *
 * @throws Problem `invalid`, naming each field, its rule, the value and the cure
 */
export function requireSoundPolicy(policy: MigrationPolicy): void {
  const found = checkPolicy(policy);
  const [first] = found;
  if (first === undefined) return;
  const errors = found.map((blocker) => fieldError(blocker, policy));
  const field = first.field === undefined ? "" : `\`${first.field}\`: `;
  throw new Problem("invalid", `${field}${first.message}. ${first.cure}`, { errors });
}

function fieldError({ field = "policy", message, cure }: Blocker, policy: object): FieldError {
  const received = receivedFor(field, policy);
  return {
    field,
    rule: message,
    ...(received === undefined ? {} : { received: describeValue(received) }),
    cure,
  };
}

/** The value of `policy.<member>` or `policy.<member>.<name>`; of a list, the name is the value. */
function receivedFor(field: string, policy: object): unknown {
  const path = pathOf(field);
  const [, member, name] = path;
  const isListed = member !== undefined && Array.isArray(valueAt({ policy }, ["policy", member]));
  return isListed && name !== undefined ? name : valueAt({ policy }, path);
}

/** Names of parameters may hold dots, so a path has three parts at most. */
function pathOf(field: string): FieldPath {
  const [root = "", member, ...name] = field.split(".");
  const path = member === undefined ? [root] : [root, member];
  return name.length === 0 ? path : [...path, name.join(".")];
}
