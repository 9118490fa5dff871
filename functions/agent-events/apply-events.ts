import type { HostId } from "../../core/id.ts";
import type { AgentEvent } from "../../core/protocol/event.ts";
import { applyAnswer } from "./command-answers.ts";
import { applyGuestExit } from "./guest-exits.ts";
import {
  applyMigrationEvents,
  canMerge,
  isMigrationEvent,
  type MigrationEvent,
} from "./migration-events.ts";
import { PendingWrites } from "./pending-writes.ts";
import { applyRunState } from "./run-states.ts";

/**
 * Applies the effects of events in their order. Consecutive events of one migration are merged into
 * one update. Every effect may be repeated: a batch that was interrupted comes again whole.
 */
export async function applyEvents(host: HostId, events: AgentEvent[]): Promise<void> {
  const pending = new PendingWrites();
  let merged: MigrationEvent[] = [];
  const applyMerged = async () => {
    if (merged.length > 0) await applyMigrationEvents(host, merged, pending);
    merged = [];
  };
  for (const event of events) {
    if (!isMigrationEvent(event)) {
      // The effects of a completed command do not depend on those of the events around it.
      if (event.body.type !== "command.completed") await applyMerged();
      await applyOther(host, event, pending);
      continue;
    }
    const last = merged.at(-1);
    if (last !== undefined && !canMerge(last, event)) await applyMerged();
    merged.push(event);
  }
  await applyMerged();
  await pending.write();
}

async function applyOther(
  host: HostId,
  event: Exclude<AgentEvent, MigrationEvent>,
  pending: PendingWrites,
): Promise<void> {
  const { body, atMs, seq } = event;
  const at = { host, atMs, seq };
  switch (body.type) {
    case "command.completed":
    case "command.failed":
      return applyAnswer(host, event, body, pending);
    case "guest.exited":
      await pending.write();
      return applyGuestExit(at, body, pending);
    case "guest.run-state":
      return applyRunState(at, body, pending);
  }
}
