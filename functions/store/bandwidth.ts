import type { MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { parseMigration, type StoredMigration } from "./migrations.ts";
import { updateItem } from "./table.ts";

/** The attempt in a command's id has four digits. */
const REVISION_MAX = 9_999;

/**
 * Another limit for what the source may send, with a revision of its own. Undefined, and nothing is
 * written, unless the migration has started, is neither over nor being cancelled, and has not stopped
 * its guest: the switchover itself is not limited.
 */
export async function recordBandwidth(
  id: MigrationId,
  maxBandwidthBytesPerSecond: number,
): Promise<StoredMigration | undefined> {
  const item = await updateItem({
    key: keys.migration(id),
    update:
      "SET #maxBandwidthBytesPerSecond = :limit, #bandwidthRevision = if_not_exists(#bandwidthRevision, :zero) + :one, #updatedAt = :now",
    condition:
      "#status = :running AND attribute_exists(#startedAtMs) AND attribute_not_exists(#stoppedAtMs) AND attribute_not_exists(#cancelRequestedAt) AND (attribute_not_exists(#bandwidthRevision) OR #bandwidthRevision < :max)",
    values: {
      ":limit": maxBandwidthBytesPerSecond,
      ":zero": 0,
      ":one": 1,
      ":max": REVISION_MAX,
      ":running": "running",
      ":now": new Date().toISOString(),
    },
  });
  return item === undefined ? undefined : parseMigration(item);
}
