import type { LearnedFigures, MemoryUse } from "../../core/vm-learned.ts";
import { log } from "../runtime/log.ts";
import { readExpectedLoad, subjectsOf } from "../store/load-times.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { recordLearned } from "../store/vm-learned.ts";
import { findVm } from "../store/vms.ts";
import { learnLoadTime } from "./learn-load-time.ts";

/**
 * Learns from an ended migration what the next plan reads: how the guest used its memory, how long
 * its devices took to load, how long it took to prepare. A migration that did not complete shows the
 * dirty rate alone. Idempotent; a failure to learn is logged and does not fail the migration.
 */
export async function learnFromMigration(migration: StoredMigration): Promise<void> {
  try {
    const isNew = migration.prediction?.errorMs === undefined;
    if (migration.status === "completed" && isNew) await learnLoadTime(migration);
    const shown = await shownBy(migration);
    if (Object.keys(shown).length === 0) return;
    const known = (await findVm(migration.vm))?.learned;
    await recordLearned(migration.vm, {
      ...known,
      ...shown,
      migration: migration.id,
      at: migration.endedAt ?? new Date().toISOString(),
    });
  } catch (error) {
    log().warn({ err: error, migrationId: migration.id }, "failed to learn from a migration");
  }
}

async function shownBy(migration: StoredMigration): Promise<LearnedFigures> {
  const { figures, phases } = migration;
  const startedAt = (name: string) => phases.find((phase) => phase.name === name)?.startedAt;
  const from = startedAt("probe");
  const to = startedAt("precopy");
  const prepareMs = from && to ? Math.max(0, Date.parse(to) - Date.parse(from)) : undefined;
  const loadMs = figures === undefined ? undefined : await loadTime(migration);
  return {
    ...(figures === undefined ? dirtyRate(migration) : figures.memory),
    ...(loadMs === undefined ? {} : { loadMs }),
    ...(prepareMs === undefined ? {} : { prepareMs }),
  };
}

/** The longest of its last load times, as negotiation expects it. */
async function loadTime({ vm, vfioDevices, agreement }: StoredMigration) {
  if (agreement === undefined) return undefined;
  const withAck = agreement.source.capabilities["switchover-ack"] === true;
  return (await readExpectedLoad(subjectsOf(vm, vfioDevices ?? [], withAck)))?.loadMs;
}

/** The newest rate that QEMU measured; before the second pass it has measured none. */
function dirtyRate({ progress }: StoredMigration): MemoryUse {
  const { dirtyBytesPerSecond: rate = 0, dirtySyncCount = 0 } = progress ?? {};
  return rate > 0 && dirtySyncCount > 1 ? { dirtyBytesPerSecond: rate } : {};
}
