import { flagName } from "../../core/libvirt-flags.ts";
import type { Blocker } from "../../core/negotiation.ts";
import type { MigrationPolicy } from "../../core/policy.ts";
import { checkPolicy } from "../../core/policy-check.ts";
import { Problem } from "./problem.ts";

/**
 * Refuses a policy that is wrong by itself, before anything is written or asked.
 *
 * @throws Problem policy-refused, naming each field, rule and value
 */
export function requireSoundPolicy(policy: MigrationPolicy): void {
  const found = [...checkPolicy(policy), ...notBuilt(policy)];
  const [first] = found;
  if (first === undefined) return;
  const detail = found.map(({ message }) => message).join("; ");
  throw new Problem(422, "policy-refused", detail, {
    errors: found.map(({ field, message, cure }) => ({
      field: field ?? "policy",
      rule: message,
      expected: cure,
    })),
  });
}

/** Negotiation knows what a tunnelled stream may not have; the agents have no tunnel yet. */
function notBuilt({ transport, flags }: MigrationPolicy): Blocker[] {
  const asked = transport === "tunnelled" || flags.some((flag) => flagName(flag) === "TUNNELLED");
  if (!asked) return [];
  return [
    {
      code: "transport-not-supported",
      field: "policy.transport",
      message: "Agents cannot tunnel the migration stream, got `tunnelled`",
      cure: "Use `tcp`, with TLS where the network is not trusted",
    },
  ];
}
