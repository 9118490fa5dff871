import { HELD_STATUS, isPostcopyStatus } from "../../../core/qemu/migration-status.ts";
import { isMigrationRunState, isStoppedBySwitchover } from "../../../core/qemu/run-state.ts";
import type { SourceAction, SourceState, SourceStep, Timed } from "./state.ts";
import { step } from "./state.ts";

/**
 * Whether a STOP is the switchover's, and for how long the guest is not running before it.
 *
 * An operator's `stop` and an I/O error emit STOP as the switchover does, so a STOP is judged by what
 * follows: by a migration status that only a stopped guest has, or by the run states that QEMU enters
 * for a migration. QEMU 7.2 has no status `device` without pause-before-switchover: there the answer
 * to query-status, or `completed`, is the first evidence. Any other run state makes it a standstill, as
 * does a QEMU that does not answer; a cancel, the deadline and the ladder go on working in one.
 */

const SILENT = "silent";

/** Statuses of a source that has stopped the guest for the switchover. */
export function isSwitchoverStatus(status: string): boolean {
  return ["device", HELD_STATUS, "completed"].includes(status) || isPostcopyStatus(status);
}

export function onStop(state: SourceState, atMs: number): SourceStep {
  if (state.stop || state.unjudgedStop || state.end) return step(state);
  const next = { ...state, unjudgedStop: { atMs, status: state.status } };
  return isSwitchoverStatus(state.status) ? judgeSwitchover(next) : step(next);
}

/** RESUME. A run state that is still another one (`suspended`) follows. */
export function onResume(state: SourceState, atMs: number): SourceStep {
  if (state.stop) return step({ ...state, stop: { ...state.stop, resumedAtMs: atMs } });
  return state.unjudgedStop ? notSwitchover(state) : step(state);
}

/** A STOP that was not judged yet is the switchover's. */
export function judgeSwitchover(state: SourceState): SourceStep {
  const { unjudgedStop: stop } = state;
  if (stop === undefined) return step(state);
  const ended = endStandstill({ ...state, stop, unjudgedStop: undefined }, stop.atMs);
  const event = { type: "migration.stopped" } as const;
  return step(ended.state, [...ended.events, { event, atMs: stop.atMs }]);
}

export function onRunState(
  state: SourceState,
  { runState, atMs }: { runState: string; atMs: number },
): SourceStep {
  if (state.end || state.stop) return step(state);
  if (isStoppedBySwitchover(runState)) return judgeSwitchover(state);
  if (isMigrationRunState(runState)) return step(state);
  const late = notSwitchover(state);
  const known = { ...late.state, runState };
  const { state: next, events } =
    runState === "running"
      ? endStandstill(known, atMs)
      : beginStandstill(known, state, state.unjudgedStop?.atMs ?? atMs);
  const isNew = runState !== state.runState;
  const actions: SourceAction[] = isNew
    ? [{ type: "note-run-state", runState, standstill: next.standstill }]
    : [];
  return step(next, events, [...actions, ...late.actions]);
}

/** The deadline may have passed while the STOP was not judged. */
function notSwitchover(before: SourceState): SourceStep {
  const state = { ...before, unjudgedStop: undefined, isLate: false };
  return before.isLate ? passDeadline(state) : step(state);
}

/** The precopy deadline. Once the guest is stopped the switchover is the shortest way to a running one. */
export function onDeadline(state: SourceState): SourceStep {
  if (state.end || state.stop) return step(state);
  return state.unjudgedStop ? step({ ...state, isLate: true }) : passDeadline(state);
}

function passDeadline(state: SourceState): SourceStep {
  const reasons = { ...state.reasons, deadline: "the precopy deadline has passed" };
  return step({ ...state, reasons }, [], [{ type: "cancel", orContinue: false }]);
}

/** QEMU holds its main loop for most of the switchover; in postcopy the guest is not here. */
export function onQmpSilent(state: SourceState, sinceMs: number): SourceStep {
  if (state.end || state.stop || state.postcopy.active || state.standstill) return step(state);
  if (state.runState !== "running") return step(state);
  return begin(state, { reason: SILENT, sinceMs: state.unjudgedStop?.atMs ?? sinceMs });
}

export function onQmpAnswers(state: SourceState, atMs: number): SourceStep {
  return state.standstill?.reason === SILENT ? endStandstill(state, atMs) : step(state);
}

/** `before`: the state in which the guest may still have run. */
function beginStandstill(state: SourceState, before: SourceState, sinceMs: number): SourceStep {
  if (before.runState !== "running") return step(state);
  const ended = endStandstill(state, sinceMs);
  const begun = begin(ended.state, { reason: state.runState, sinceMs });
  return step(begun.state, [...ended.events, ...begun.events]);
}

function begin(state: SourceState, standstill: { reason: string; sinceMs: number }): SourceStep {
  const event: Timed["event"] = { type: "migration.standstill", ...standstill };
  return step({ ...state, standstill }, [{ event }]);
}

/** Also when the migration ends, or the switchover begins, whatever the guest does then. */
export function endStandstill(state: SourceState, atMs: number): SourceStep {
  const { standstill } = state;
  if (standstill === undefined) return step(state);
  const untilMs = Math.max(standstill.sinceMs, atMs);
  const event: Timed["event"] = { type: "migration.standstill", ...standstill, untilMs };
  return step({ ...state, standstill: undefined }, [{ event }]);
}

/** A status may be the first evidence of the switchover. */
export function judgeStatus(state: SourceState): SourceStep {
  return isSwitchoverStatus(state.status) ? judgeSwitchover(state) : step(state);
}
