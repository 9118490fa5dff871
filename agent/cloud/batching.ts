import type { Verb } from "../../core/protocol/command.ts";
import type { EventBody } from "../../core/protocol/event.ts";

/**
 * Longest wait of an event for others to travel with, ms. A short migration tells everything in one
 * request then, and none is made while its guest stands still.
 */
export const COMPANY_MS = 100;

const UNHURRIED = new Set<EventBody["type"]>([
  "migration.started",
  "migration.progress",
  "migration.acked",
  "migration.ack-pending",
  "migration.stopped",
  "migration.bandwidth-set",
  "migration.hook",
]);

/** No workflow and no person waits for this very event: what follows it says at least as much. */
export function canWait({ type }: EventBody): boolean {
  return UNHURRIED.has(type);
}

/** Likewise for a command's answer: events tell how a migration that was started goes on. */
export function canAnswerWait({ type }: EventBody, verb: Verb): boolean {
  return verb === "source.start" && type === "command.completed";
}
