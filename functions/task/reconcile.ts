import { z } from "zod";
import { CommandId, MigrationId } from "../../core/id.ts";
import { type Observed, type ReconcileAction, reconcile } from "../../core/migration/reconcile.ts";
import { task } from "../runtime/task.ts";
import { findCommands } from "../store/commands.ts";
import { enterPhase, recordDecision } from "../store/migrations.ts";
import { countPauses } from "../store/signals.ts";
import { sightingsOf, TURN_STEPS, type TurnCommands, undoOf } from "./observations.ts";

const ReconcileInput = z.object({ migrationId: MigrationId, turn: z.int().min(1).max(9999) });

export type ReconcileOutput = {
  action: ReconcileAction;
  reason: string;
  turn: number;
  /** The command that takes the step back, if one is to be taken. */
  undo?: { step: string; verb: string; side: "source" | "target" };
  /** The pause of postcopy that ends the wait for its end, by its number. */
  pause?: number;
};

/**
 * Workflow task: decides the next single step on the way back from what both ends said at this
 * look. The same turn again gives the decision that was recorded.
 *
 * @throws StaleMigration when the migration is over
 */
export const handler = task(async (event): Promise<ReconcileOutput> => {
  const { migrationId, turn } = ReconcileInput.parse(event);
  const [migration, answers] = await Promise.all([
    enterPhase(migrationId, "reconcile"),
    readAnswers(migrationId, turn),
  ]);
  const decided = migration.decisions.find((decision) => decision.turn === turn);
  const seen = sightingsOf(migration.observations, answers);
  const { action, reason } =
    decided ??
    reconcile({
      ...seen,
      turn: turn - (migration.turnsBefore ?? 0),
      wasRunning: migration.wasRunning ?? true,
    });
  if (decided === undefined) {
    const at = new Date().toISOString();
    await recordDecision(migrationId, { turn, at, action, reason }, reports(seen));
  }
  const undo = undoOf(action);
  return {
    action: action as ReconcileAction,
    reason,
    turn,
    ...(undo === undefined ? {} : { undo }),
    ...(action === "await-postcopy" ? { pause: await pauseOf(migrationId, seen.source) } : {}),
  };
});

/** A source that is paused now has been told of; otherwise those that were told of are over. */
async function pauseOf(id: MigrationId, source: Observed): Promise<number> {
  const told = await countPauses(id);
  const isPaused = source !== "unreachable" && source.migrationStatus === "postcopy-paused";
  return isPaused ? Math.max(told, 1) : told + 1;
}

async function readAnswers(id: MigrationId, turn: number): Promise<TurnCommands> {
  const ids = TURN_STEPS.map((step) => [step, CommandId.parse(`${id}.${step}.${turn}`)] as const);
  const found = await findCommands(ids.map(([, command]) => command));
  return new Map(
    ids.flatMap(([step, command]) => {
      const stored = found.get(command);
      return stored === undefined ? [] : [[step, stored] as const];
    }),
  );
}

function reports(seen: { source: Observed; target: Observed }) {
  return {
    source: seen.source === "unreachable" ? undefined : seen.source,
    target: seen.target === "unreachable" ? undefined : seen.target,
  };
}
