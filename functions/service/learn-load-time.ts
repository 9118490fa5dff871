import { loadTime } from "../../core/migration/learning.ts";
import { recordLoadTime, subjectsOf } from "../store/load-times.ts";
import { recordPredictionError } from "../store/migration-ending.ts";
import type { StoredMigration } from "../store/migration-record.ts";

const BANDWIDTH_PARAMETER = "avail-switchover-bandwidth";

/**
 * Learns from a completed migration: the load time of its VM and device classes, and the error of the
 * prediction.
 */
export async function learnLoadTime(migration: StoredMigration): Promise<void> {
  const { figures, agreement, prediction } = migration;
  if (figures === undefined || agreement === undefined) return;
  const withAck = agreement.source.capabilities["switchover-ack"] === true;
  const configured = Number(agreement.source.parameters[BANDWIDTH_PARAMETER] ?? 0);
  const bandwidth = configured > 0 ? configured : (prediction?.linkBytesPerSecond ?? 0);
  const loadMs = loadTime({
    downtimeMs: figures.downtimeMs,
    downtimeBytes: figures.downtimeBytes ?? 0,
    bandwidthBytesPerSecond: bandwidth,
  });
  const subjects = subjectsOf(migration.vm, migration.vfioDevices ?? [], withAck);
  await Promise.all([
    ...subjects.map((subject) => recordLoadTime(subject, loadMs)),
    prediction === undefined
      ? undefined
      : recordPredictionError(migration.id, figures.downtimeMs - prediction.downtimeMs),
  ]);
}
