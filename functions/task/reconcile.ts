import * as z from "zod";
import { isConfirmedDown } from "../../core/host/host-state.ts";
import { CommandId, type HostId, MigrationId } from "../../core/id.ts";
import { type ReconcileAction, reconcile } from "../../core/migration/reconcile.ts";
import type { Observed } from "../../core/migration/side-state.ts";
import { task } from "../runtime/task.ts";
import { findCommands } from "../store/commands.ts";
import { findHostNow } from "../store/hosts.ts";
import { enterPhase, recordDecision } from "../store/migration-progress.ts";
import { newestPause } from "../store/signals.ts";
import {
  observationsOf,
  type TurnCommands,
  triesOf,
  turnSteps,
  undoFailure,
  undoOf,
} from "./turn-observations.ts";

const ReconcileInput = z.object({ migrationId: MigrationId, turn: z.int().min(1).max(9999) });

type Sides<T> = { readonly source: T; readonly target: T };

export type ReconcileOutput = {
  action: ReconcileAction;
  reason: string;
  turn: number;
  /** The command of the undo step, if the action has one. */
  undo?: { step: string; verb: string; side: "source" | "target" };
  /** The same step was taken at the turn before: a pause comes first. */
  isRepeated?: boolean;
  /** Number of the pause of postcopy that fails the wait for its end. */
  pause?: number;
};

/**
 * Workflow task: decides the next single step of the way back from the observations of this turn. The
 * same turn again returns the decision that was recorded.
 *
 * @throws StaleMigration when the migration has ended
 */
export const handler = task(async (event): Promise<ReconcileOutput> => {
  const { migrationId, turn } = ReconcileInput.parse(event);
  const [{ migration, recorded }, answers] = await Promise.all([
    enterPhase(migrationId, "reconcile"),
    readAnswers(migrationId, turn),
  ]);
  await recorded;
  const decided = migration.decisions.find((decision) => decision.turn === turn);
  const observed = observationsOf(migration.observations, answers);
  const turnsBefore = migration.turnsBefore ?? 0;
  const undoFailed = undoFailure(answers);
  const past = migration.decisions.filter((decision) => decision.turn < turn);
  const since = past.filter((decision) => decision.turn > turnsBefore);
  const recent = [...since, { action: "", undoFailed }];
  const { action, reason } =
    decided ??
    reconcile({
      ...observed,
      turn: turn - turnsBefore,
      runStateBefore: migration.runStateBefore ?? "running",
      record: {
        targetPrepared: migration.prepared !== undefined,
        sourceExited: migration.sourceExit !== undefined,
        sourceCompleted: migration.sourceCompletedAtMs !== undefined,
        targetBootId: migration.targetBootId,
        ...(await confirmedDown(migration, observed)),
      },
      tries: triesOf(recent),
      reasonBefore: since.at(-1)?.reason,
    });
  if (decided === undefined) {
    const at = new Date().toISOString();
    const failed = undoFailed === undefined ? {} : { undoFailed };
    const decision = { turn, at, action, reason, ...failed };
    await recordDecision(migrationId, decision, reachable(observed));
  }
  const undo = undoOf(action);
  const isRepeated = undo !== undefined && past.at(-1)?.action === action;
  return {
    action: action as ReconcileAction,
    reason,
    turn,
    ...(undo === undefined ? {} : { undo }),
    ...(isRepeated ? { isRepeated } : {}),
    ...(action === "await-postcopy" ? { pause: await pauseOf(migrationId, observed.source) } : {}),
  };
});

/** Whether a person has confirmed that the host of a side which did not answer is down. */
async function confirmedDown(hosts: Sides<HostId>, observed: Sides<Observed>) {
  const isDown = async (side: keyof Sides<unknown>) => {
    if (observed[side] !== "unreachable") return false;
    const host = await findHostNow(hosts[side]);
    return host !== undefined && isConfirmedDown(host);
  };
  const [sourceDown, targetDown] = await Promise.all([isDown("source"), isDown("target")]);
  return { sourceDown, targetDown };
}

/** The last raised pause if the source is paused now; otherwise the next one. */
async function pauseOf(id: MigrationId, source: Observed): Promise<number> {
  const raised = await newestPause(id);
  const isPaused = source !== "unreachable" && source.migrationStatus === "postcopy-paused";
  return isPaused ? Math.max(raised, 1) : raised + 1;
}

async function readAnswers(id: MigrationId, turn: number): Promise<TurnCommands> {
  const ids = turnSteps.map((step) => [step, CommandId.parse(`${id}.${step}.${turn}`)] as const);
  const found = await findCommands(ids.map(([, command]) => command));
  return new Map(
    ids.flatMap(([step, command]) => {
      const stored = found.get(command);
      return stored === undefined ? [] : [[step, stored] as const];
    }),
  );
}

function reachable({ source, target }: { source: Observed; target: Observed }) {
  return {
    source: source === "unreachable" ? undefined : source,
    target: target === "unreachable" ? undefined : target,
  };
}
