import { loadTime } from "../../core/migration/learning.ts";
import { log } from "../runtime/log.ts";
import { rememberLoad, subjectsOf } from "../store/learned.ts";
import { recordPredictionError, type StoredMigration } from "../store/migrations.ts";

const BANDWIDTH = "avail-switchover-bandwidth";

/**
 * What a completed move teaches: the load time of its VM and device classes, and how far the
 * prediction was off. Learning never fails a migration.
 */
export async function learnFrom(migration: StoredMigration): Promise<void> {
  const { figures, agreement, prediction } = migration;
  if (figures === undefined || agreement === undefined) return;
  const withAck = agreement.source.capabilities["switchover-ack"] === true;
  const told = Number(agreement.source.parameters[BANDWIDTH] ?? 0);
  const bandwidth = told > 0 ? told : (prediction?.linkBytesPerSecond ?? 0);
  const loadMs = loadTime({
    downtimeMs: figures.downtimeMs,
    downtimeBytes: figures.downtimeBytes ?? 0,
    bandwidthBytesPerSecond: bandwidth,
  });
  const subjects = subjectsOf(migration.vm, migration.vfioDevices ?? [], withAck);
  try {
    await Promise.all([
      ...subjects.map((subject) => rememberLoad(subject, loadMs)),
      prediction === undefined
        ? undefined
        : recordPredictionError(migration.id, figures.downtimeMs - prediction.downtimeMs),
    ]);
  } catch (error) {
    log().warn({ err: error, migration: migration.id }, "failed to learn from a migration");
  }
}
