import type { MigrationId } from "../../core/id.ts";
import type { Guest } from "../guest/guest.ts";
import type { Log } from "../runtime/log.ts";

/** Writes down that a migration is over for this process; the key of its link is forgotten. */
export function forget(guest: Guest, id: MigrationId, log: Log): void {
  const memory = guest.manifest.migration;
  if (memory?.id !== id) return;
  const { handover: _, ...rest } = memory;
  try {
    guest.remember({ migration: { ...rest, over: true } });
  } catch (error) {
    // A guest must not be held here by a full disk. The next life of the agent tells it once more.
    log.error({ error }, "the end of the migration cannot be written down");
  }
}
