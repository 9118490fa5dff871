import { MigrationId } from "../../core/id.ts";
import { keys } from "./keys.ts";
import { migrationLists, type StoredMigration } from "./migration-record.ts";
import { updateRunning } from "./migration-update.ts";
import { type Listed, type Page, pageOf } from "./page.ts";
import { moveHistory, newestTurn, turnsAsRead } from "./turns.ts";

/** The action of an entry that stands for the turn of an execution that was lost. */
const EXECUTION_LOST = "execution-lost";

/** Ids of migrations whose record is `running`, newest first. */
export async function listRunning(page: Page): Promise<Listed<MigrationId>> {
  return pageOf({
    partitions: migrationLists,
    keyOf: keys.migration,
    read: (item) => MigrationId.parse((item as { id?: unknown }).id),
    page,
    newestFirst: true,
    filter: "#status = :status",
    values: { ":status": "running" },
  });
}

/**
 * Records that the execution of a running migration is lost. The turn that it may have begun is used
 * up: its commands may have been answered long ago. Returns the turn at which another execution
 * continues; undefined when the migration has ended or another caller was first.
 */
export async function reopenLost(
  migration: StoredMigration,
  reason: string,
): Promise<number | undefined> {
  const turn = newestTurn(migration) + 1;
  const lost = { turn, at: new Date().toISOString(), action: EXECUTION_LOST, reason };
  const asRead = turnsAsRead(migration);
  const { decisions, phases } = await moveHistory(migration);
  const isReopened = await updateRunning(migration.id, {
    set: "#decisions = :decisions, #phases = :phases, #turns = :turn, #turnsBefore = :turn",
    condition: `${asRead.condition} AND size(#phases) = :phasesRead`,
    values: {
      ...asRead.values,
      ":decisions": [...decisions, lost],
      ":phases": phases,
      ":turn": turn,
      ":phasesRead": migration.phases.length,
    },
  });
  return isReopened ? turn + 1 : undefined;
}

/** How many executions were lost one after the other, with nothing decided in between. */
export function countLost({ decisions }: StoredMigration): number {
  const lastDecided = decisions.findLastIndex(({ action }) => action !== EXECUTION_LOST);
  return decisions.length - 1 - lastDecided;
}
