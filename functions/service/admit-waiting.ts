import type { HostId, MigrationId } from "../../core/id.ts";
import { findMigration } from "../store/migration-record.ts";
import { listWaiting, removeFromQueues, takeSlots } from "../store/slots.ts";

/**
 * Called when slots or memory were released on these hosts: admits the waiting migrations that now
 * have room, oldest first. A migration whose other host is full does not hold up the ones behind it.
 *
 * @param wake raises the signal `admitted`: agent-events by itself, other functions by asking it
 */
export async function admitWaiting(
  hosts: HostId[],
  wake: (id: MigrationId) => Promise<void>,
): Promise<void> {
  for (const id of await listWaiting(hosts)) {
    const migration = await findMigration(id);
    if (migration === undefined) continue;
    const turn = migration.slots === "held" ? "held" : await takeSlots(migration);
    if (turn === "ended") await removeFromQueues(migration);
    if (turn === "held") await wake(id);
  }
}
