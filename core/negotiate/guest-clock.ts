import { guestAgentChardev } from "../definition/guest-agent.ts";
import type { Blocker } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";
import type { RuledDefinition } from "./sides.ts";

/** A clock that is to be set needs the guest agent's channel. */
export function guestClockBlockers(
  { guestClock }: MigrationPolicy,
  definition: RuledDefinition,
): Blocker[] {
  if (guestClock !== "set" || guestAgentChardev(definition) !== undefined) return [];
  return [
    {
      code: "guest-agent-missing",
      field: "policy.guestClock",
      message:
        "Expected the definition to have a device named org.qemu.guest_agent.0, by which the guest's clock is set, got none",
      cure: "Add the guest agent's channel to the definition (docs/reference/definition.md), or set policy.guestClock to leave",
    },
  ];
}
