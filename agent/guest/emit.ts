import type { MigrationId } from "../../core/id.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import type { Guest } from "./guest.ts";

/** Puts an event into the agent's outbox; `atMs`: when it happened, now by default. */
export type Emit = (body: EventBody, atMs?: number) => void;

type Identity = "migrationId" | "vm" | "epoch";
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** What an end of a migration tells; which migration it is, is added to it. */
export type Word = DistributiveOmit<EventBody & { migrationId: unknown }, Identity>;

type Teller = { guest: Guest; id: MigrationId; epoch: number; emit: Emit };

export function createTell({ guest, id, epoch, emit }: Teller) {
  const identity = { migrationId: id, vm: guest.vm, epoch };
  return (word: Word, atMs?: number) => emit({ ...word, ...identity } as EventBody, atMs);
}
