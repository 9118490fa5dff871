import type { AgentEvent } from "../../core/event.ts";
import type { HostId } from "../../core/id.ts";
import { registerHost } from "../store/hosts.ts";
import { commandAnswered } from "./commands.ts";
import { guestExited } from "./guests.ts";
import { migrationEvent } from "./migrations.ts";

/** Does what an event asks for. Every effect may be repeated: a batch cut short comes again whole. */
export async function applyEvent(host: HostId, event: AgentEvent): Promise<void> {
  const { body } = event;
  switch (body.type) {
    case "agent.started":
      return registerHost(host, body.facts);
    case "command.completed":
    case "command.failed":
      return commandAnswered(host, event, body);
    case "guest.exited":
      return guestExited(host, body.vm, body.detail);
    default:
      return migrationEvent(host, event, body);
  }
}
