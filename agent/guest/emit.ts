import type { MigrationId } from "../../core/id.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import type { Guest } from "./guest.ts";

/** Gives an event to the agent's outbox. `atMs`: the time of the event; default: now. */
export type Emit = (body: EventBody, atMs?: number) => void;

type Identity = "migrationId" | "vm" | "epoch";
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** An event of one side of a migration, without the identity of the migration. */
export type MigrationEvent = DistributiveOmit<EventBody & { migrationId: unknown }, Identity>;

/** Emits events of one migration. */
export type MigrationEmitter = (event: MigrationEvent, atMs?: number) => void;

type Migration = { guest: Guest; id: MigrationId; epoch: number; emit: Emit };

/** Adds the identity of the migration to each event. */
export function createEmitter({ guest, id, epoch, emit }: Migration): MigrationEmitter {
  const identity = { migrationId: id, vm: guest.vm, epoch };
  return (event, atMs) => emit({ ...event, ...identity } as EventBody, atMs);
}
