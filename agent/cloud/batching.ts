import type { Verb } from "../../core/protocol/command.ts";
import type { EventBody } from "../../core/protocol/event.ts";

/**
 * How long a batchable event may be delayed so that it shares a request with later ones, ms. A short
 * migration then sends all its events in one request, and none while its guest is stopped.
 */
export const BATCH_WINDOW_MS = 100;

/** No workflow and no person waits for one of these: a later event says at least as much. */
const BATCHABLE = new Set<EventBody["type"]>([
  "guest.run-state",
  "migration.compared",
  "migration.started",
  "migration.progress",
  "migration.acked",
  "migration.ack-pending",
  "migration.stopped",
  "migration.bandwidth-set",
  "migration.hook",
  "migration.guest-clock",
]);

export function isBatchable({ type }: EventBody): boolean {
  return BATCHABLE.has(type);
}

/** True for the answer to `source.start`: events report how the migration goes on. */
export function isAnswerBatchable({ type }: EventBody, verb: Verb): boolean {
  return verb === "source.start" && type === "command.completed";
}
