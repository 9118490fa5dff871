import { z } from "zod";
import { CommandId, MigrationId } from "../core/id.ts";
import { type ReconcileAction, reconcile, type Sighting } from "../core/reconcile.ts";
import { LOOK_STEPS, type Look, sightingsOf, undoOf } from "./reconcile/sightings.ts";
import { findCommands } from "./store/commands.ts";
import { enterPhase, recordDecision } from "./store/migrations.ts";
import { countPauses } from "./store/signals.ts";
import { task } from "./task.ts";

const ReconcileInput = z.object({ migrationId: MigrationId, look: z.int().min(1).max(9999) });

export type ReconcileOutput = {
  action: ReconcileAction;
  reason: string;
  look: number;
  /** The command that takes the step back, if one is to be taken. */
  undo?: { step: string; verb: string; side: "source" | "target" };
  /** The pause of postcopy that ends the wait for its end, by its number. */
  pause?: number;
};

/**
 * Workflow task: decides the next single step on the way back from what both ends said at this
 * look. The same look again gives the decision that was recorded.
 *
 * @throws StaleMigration when the migration is over
 */
export const handler = task(async (event): Promise<ReconcileOutput> => {
  const { migrationId, look } = ReconcileInput.parse(event);
  const [migration, answers] = await Promise.all([
    enterPhase(migrationId, "reconcile"),
    readAnswers(migrationId, look),
  ]);
  const decided = migration.decisions.find((decision) => decision.look === look);
  const seen = sightingsOf(migration.sightings, answers);
  const { action, reason } =
    decided ??
    reconcile({
      ...seen,
      look: look - (migration.lookedBefore ?? 0),
      wasRunning: migration.wasRunning ?? true,
    });
  if (decided === undefined) {
    const at = new Date().toISOString();
    await recordDecision(migrationId, { look, at, action, reason }, reports(seen));
  }
  const undo = undoOf(action);
  return {
    action: action as ReconcileAction,
    reason,
    look,
    ...(undo === undefined ? {} : { undo }),
    ...(action === "await-postcopy" ? { pause: await pauseOf(migrationId, seen.source) } : {}),
  };
});

/** A source that is paused now has been told of; otherwise those that were told of are over. */
async function pauseOf(id: MigrationId, source: Sighting): Promise<number> {
  const told = await countPauses(id);
  const isPaused = source !== "unreachable" && source.migrationStatus === "postcopy-paused";
  return isPaused ? Math.max(told, 1) : told + 1;
}

async function readAnswers(id: MigrationId, look: number): Promise<Look> {
  const ids = LOOK_STEPS.map((step) => [step, CommandId.parse(`${id}.${step}.${look}`)] as const);
  const found = await findCommands(ids.map(([, command]) => command));
  return new Map(
    ids.flatMap(([step, command]) => {
      const stored = found.get(command);
      return stored === undefined ? [] : [[step, stored] as const];
    }),
  );
}

function reports(seen: { source: Sighting; target: Sighting }) {
  return {
    source: seen.source === "unreachable" ? undefined : seen.source,
    target: seen.target === "unreachable" ? undefined : seen.target,
  };
}
