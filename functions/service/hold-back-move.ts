import { neededMs } from "../../core/evacuation/eta.ts";
import { isTimeFor } from "../../core/schedule/open-times.ts";
import { findMove } from "../store/evacuation-moves.ts";
import { findEvacuation, goesOn, type StoredEvacuation } from "../store/evacuations.ts";
import { keys } from "../store/keys.ts";
import { endPrepared } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { conditionCheck } from "../store/table.ts";

/**
 * Whether a prepared migration may begin to send: one of an evacuation may not while that is paused
 * or ends, or when it would not end in the window.
 *
 * @returns why not, or what has to hold in the write that gives it its slots
 */
export async function heldBackBy(
  migration: StoredMigration,
): Promise<{ why: string } | { writes: ReturnType<typeof conditionCheck>[] }> {
  const { evacuation: id, source } = migration;
  const evacuation = id === undefined ? undefined : await findEvacuation(id);
  if (evacuation === undefined) return { writes: [] };
  const why = await reasonOf(evacuation, migration);
  if (why !== undefined) return { why };
  return { writes: [conditionCheck(keys.evacuation(evacuation.id), goesOn(evacuation, source))] };
}

async function reasonOf(
  { id, status, pauses, uncordoned, openTimes, work }: StoredEvacuation,
  { vm, source }: StoredMigration,
): Promise<string | undefined> {
  if (status !== "running" && status !== "rolling-back") return `its evacuation is ${status}`;
  const [pause] = Object.keys(pauses);
  if (pause !== undefined) return `its evacuation is paused (${pause})`;
  if (uncordoned[source] !== undefined) return `${source} was uncordoned`;
  if (openTimes === undefined || status === "rolling-back") return undefined;
  const takesMs = neededMs((await findMove(id, vm))?.predictedMs ?? 0, work);
  return isTimeFor(openTimes, Date.now(), takesMs) ? undefined : "it would not end in its window";
}

/** Whether an ended migration was held back: it is no failed try. */
export function wasHeldBack({ status, failure }: StoredMigration): boolean {
  return status === "failed" && failure?.code === "held-back";
}

/** Records that it is not to begin. False when it has its slots, or has ended. */
export function holdBack(migration: StoredMigration, why: string): Promise<boolean> {
  return endPrepared(migration.id, {
    code: "held-back",
    message: why,
    state: `the guest runs on at ${migration.source}`,
    cure: "none needed: it is tried again when its evacuation goes on",
    phase: "prepare",
  });
}
