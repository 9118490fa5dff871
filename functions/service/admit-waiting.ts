import type { EvacuationId, HostId, MigrationId } from "../../core/id.ts";
import { findMigration } from "../store/migration-record.ts";
import { listWaiting, removeFromQueues } from "../store/slots.ts";
import { takeTurn } from "./take-turn.ts";
import { wakeListeners } from "./wake-listeners.ts";

/** How a waiting migration learns of its turn: agent-events by itself, others by asking it. */
export type Waker = {
  readonly admit: (id: MigrationId) => Promise<void>;
  readonly refuse: (id: MigrationId, why: string) => Promise<void>;
  /** Lets the workflow of an evacuation go on, if it waits. */
  readonly proceed: (id: EvacuationId) => Promise<void>;
};

/** Why a waiting migration is interrupted; the record has the whole reason. */
const CLOSED = "the target takes no guests any more";

/**
 * Called when slots or memory were released on these hosts: admits the waiting migrations that now
 * have room, oldest first. A migration whose other host is full does not hold up the ones behind it.
 * One whose target has been closed fails. Evacuations that wait for these hosts look at them after
 * that.
 */
export async function admitWaiting(hosts: HostId[], waker: Waker): Promise<void> {
  for (const id of await listWaiting(hosts)) {
    const migration = await findMigration(id);
    if (migration === undefined) continue;
    const turn = await takeTurn(migration);
    if (turn === "ended") await removeFromQueues(migration);
    if (turn === "held") await waker.admit(id);
    if (turn === "closed") await waker.refuse(id, CLOSED);
  }
  await wakeListeners(hosts, waker.proceed);
}
