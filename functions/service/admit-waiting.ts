import type { HostId, MigrationId } from "../../core/id.ts";
import { findMigration } from "../store/migrations.ts";
import { leaveQueue, listWaiting, takeSlots } from "../store/slots.ts";
import { raise } from "./raise-signal.ts";

/**
 * Slots or memory have come free on these hosts: admits whom they fit, oldest first. One that needs
 * a host that is still full does not hold up the ones behind it.
 *
 * @param wake raises the signal `admitted`; only agent-events does that itself
 */
export async function admitWaiting(
  hosts: HostId[],
  wake: (id: MigrationId) => Promise<void> = raiseAdmitted,
): Promise<void> {
  for (const id of await listWaiting(hosts)) {
    const migration = await findMigration(id);
    if (migration === undefined) continue;
    const turn = migration.slots === "held" ? "held" : await takeSlots(migration);
    if (turn === "over") await leaveQueue(migration);
    if (turn === "held") await wake(id);
  }
}

function raiseAdmitted(migrationId: MigrationId): Promise<void> {
  return raise({ do: "happen", migrationId, signal: "admitted" });
}
