import { isMigrationRunState, vmStateOf } from "../../core/qemu/run-state.ts";
import { type GuestEnd, guestEndOf } from "../../core/vm-exit.ts";
import type { Arrived } from "../store/migration-ending.ts";
import type { StoredMigration } from "../store/migration-record.ts";

/**
 * The guest on the target as it was reported last: by a run state newer than its arrival, by its
 * arrival, or by the last observation. Only a guest that was seen running is called running.
 */
export function guestAtTarget(migration: StoredMigration): Arrived {
  const { arrivedAs, arrivedSeq = 0, targetRunState, observations } = migration;
  const seq = Math.max(arrivedSeq, targetRunState?.seq ?? 0);
  const numbered = seq > 0 ? { seq } : {};
  const exit = exitAtTarget(migration);
  if (exit !== undefined) return { state: exit.state, reason: exit.detail, ...numbered };
  const isNewer = targetRunState !== undefined && targetRunState.seq > arrivedSeq;
  if (arrivedAs !== undefined && isNewer) return { ...seenAs(targetRunState), seq };
  const observed = ownRunState(observations?.target?.runState);
  const runState = arrivedAs ?? observed ?? targetRunState?.runState;
  if (runState !== undefined) return { ...seenAs({ runState }), ...numbered };
  return { state: "paused", reason: "its host has not reported its run state", ...numbered };
}

/** How the guest's process on the target has ended since it arrived; undefined: it has not. */
export function exitAtTarget(migration: StoredMigration): GuestEnd | undefined {
  const { targetExit, arrivedAs, observations } = migration;
  if (targetExit !== undefined) return targetExit;
  const isObserved = arrivedAs === undefined && observations?.target?.process === "exited";
  return isObserved ? guestEndOf({ detail: "" }) : undefined;
}

/**
 * The guest on the source as it was reported last: by its host's events, which report each change, by
 * the last observation, or as it was before the migration.
 */
export function guestAtSource(migration: StoredMigration): Arrived {
  const { sourceRunState, observations, runStateBefore, stateBefore } = migration;
  if (sourceRunState !== undefined) return { ...seenAs(sourceRunState), seq: sourceRunState.seq };
  const runState = ownRunState(observations?.source?.runState) ?? runStateBefore;
  return runState === undefined ? { state: stateBefore } : seenAs({ runState });
}

/** A run state that QEMU enters for a migration says nothing of the guest's own. */
function ownRunState(runState: string | undefined): string | undefined {
  return runState === undefined || isMigrationRunState(runState) ? undefined : runState;
}

function seenAs({ runState, reason }: { runState: string; reason?: string | undefined }): Arrived {
  return {
    state: vmStateOf(runState),
    runState,
    ...(reason === undefined ? {} : { reason }),
  };
}
