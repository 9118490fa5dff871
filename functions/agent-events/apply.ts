import type { HostId } from "../../core/id.ts";
import type { AgentEvent } from "../../core/protocol/event.ts";
import { commandAnswered } from "./commands.ts";
import { guestExited } from "./guests.ts";
import {
  isMigrationEvent,
  type MigrationEvent,
  migrationEvents,
  tellTogether,
} from "./migrations.ts";
import { Told } from "./told.ts";

/**
 * Does what events ask for, in their order; those that tell of the same migration one after the
 * other are taken together. Every effect may be repeated: a batch cut short comes again whole.
 */
export async function applyEvents(host: HostId, events: AgentEvent[]): Promise<void> {
  const told = new Told();
  let together: MigrationEvent[] = [];
  const take = async () => {
    if (together.length > 0) await migrationEvents(host, together, told);
    together = [];
  };
  for (const event of events) {
    if (!isMigrationEvent(event)) {
      // A command that was carried out says nothing that the events around it could change.
      if (event.body.type !== "command.completed") await take();
      await applyOther(host, event, told);
      continue;
    }
    const last = together.at(-1);
    if (last !== undefined && !tellTogether(last, event)) await take();
    together.push(event);
  }
  await take();
  await told.write();
}

async function applyOther(
  host: HostId,
  event: Exclude<AgentEvent, MigrationEvent>,
  told: Told,
): Promise<void> {
  const { body } = event;
  switch (body.type) {
    case "command.completed":
    case "command.failed":
      return commandAnswered(host, event, body, told);
    case "guest.exited":
      await told.write();
      return guestExited(host, body.vm, body.detail);
  }
}
