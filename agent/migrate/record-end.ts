import type { MigrationId } from "../../core/id.ts";
import type { Guest } from "../guest/guest.ts";
import type { Log } from "../runtime/log.ts";

/** Records in the manifest that a migration has ended for this process; removes its link's key. */
export function recordEnd(guest: Guest, id: MigrationId, log: Log): void {
  const migration = guest.manifest.migration;
  if (migration?.id !== id) return;
  const { handover: _, ...rest } = migration;
  try {
    guest.remember({ migration: { ...rest, over: true } });
  } catch (error) {
    // A full disk must not hold a guest here. After a restart the agent emits the end once more.
    log.error({ error }, "the end of the migration cannot be written down");
  }
}
