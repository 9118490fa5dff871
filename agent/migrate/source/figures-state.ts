import { seeMemory } from "../../../core/migration/memory-use.ts";
import { progressIntervalAt } from "../../../core/migration/progress-interval.ts";
import type { Progress } from "../../../core/protocol/event.ts";
import { isIdleStatus } from "../../../core/qemu/migration-status.ts";
import { openWhenDue } from "./copies-state.ts";
import { failed } from "./end-state.ts";
import { onPostcopyStatus } from "./postcopy-state.ts";
import { hasConverged } from "./progress.ts";
import { judgeStatus } from "./standstill.ts";
import {
  type SourceAction,
  type SourceInput,
  type SourceState,
  type SourceStep,
  step,
  type Timed,
} from "./state.ts";

/**
 * What follows from QEMU's figures: what an event has missed, whether the migration has converged, is
 * held or has to be helped, and when its progress is emitted.
 */

export function onFigures(
  before: SourceState,
  input: Extract<SourceInput, { type: "figures" }>,
): SourceStep {
  if (before.end || before.isDetached) return step(before);
  const { progress, atMs } = input;
  const { status } = progress;
  const known = { ...before, status, memory: seeMemory(before.memory, progress) };
  // Events can be missed while the agent is away; the status cannot.
  if (status === "completed") return step(known, [], [{ type: "read-run-state" }]);
  if (isIdleStatus(status)) return failed(known, { status, atMs });
  const switchover = judgeStatus(known);
  const fromStatus = onPostcopyStatus(switchover.state, { status, atMs });
  const judged = judge(fromStatus.state, input);
  const actions: SourceAction[] = status === "pre-switchover" ? [{ type: "continue" }] : [];
  actions.push(...fromStatus.actions);
  if ((progress.dirtySyncCount ?? 0) > 1) actions.push({ type: "apply-link-bandwidth" });
  const events = [...switchover.events, ...fromStatus.events, ...judged.events];
  return step(judged.state, events, [...actions, ...judged.actions]);
}

/** Whether it has converged, is held, or has to be helped. */
function judge(
  before: SourceState,
  { progress, limitMs, isGateSettled }: Extract<SourceInput, { type: "figures" }>,
): SourceStep {
  const isHolding = before.gate === "holding";
  const rate = Math.max(progress.bandwidthBytesPerSecond ?? 0, before.bestBytesPerSecond ?? 0);
  const bestBytesPerSecond = rate > 0 ? rate : undefined;
  const fits = hasConverged(progress, limitMs, isHolding);
  const isMemorySent = before.isMemorySent || fits || (progress.dirtySyncCount ?? 0) > 1;
  // Nobody waits for the ACK, or counts the hold, while disks are still copied.
  const isConverged = before.isConverged || (fits && before.copies !== "copying");
  const hasAck = before.isAcked || !before.isAckObserved;
  const isHeldNow = isHolding && before.isGated && isGateSettled && isConverged && hasAck;
  const isHeld = before.isHeld || isHeldNow;
  const events: Timed[] = [];
  if (isConverged && !before.isConverged) events.push({ event: { type: "migration.converged" } });
  if (isHeld && !before.isHeld) events.push({ event: { type: "migration.held" } });
  const actions: SourceAction[] = [];
  const isAllSent = progress.ramRemainingBytes === 0 && (progress.ramTransferredBytes ?? 0) > 0;
  if (isHolding && isAllSent) actions.push({ type: "calm-hold", bestBytesPerSecond });
  // The ladder is for dirty memory only: neither a gate nor the ACK keeps it from switching over.
  const isStopped = before.stop !== undefined || before.unjudgedStop !== undefined;
  const isPrecopy = progress.status === "active" && !isStopped;
  if (isPrecopy && !isHolding && hasAck) actions.push({ type: "climb", progress, limitMs });
  const known = { ...before, bestBytesPerSecond, isMemorySent, isConverged, isHeld };
  if (before.copies === "none") return step(known, events, actions);
  const opening = openWhenDue(known);
  return step(opening.state, events, [...actions, ...opening.actions]);
}

export function onFiguresTaken(
  state: SourceState,
  { progress, atMs }: { progress: Progress; atMs: number },
): SourceStep {
  if (isIdleStatus(progress.status)) return step(state);
  if (atMs - state.lastProgressMs < intervalMs(state, atMs)) return step(state);
  return emitProgress(state, progress, atMs);
}

/** A sign of life while QEMU does not answer. */
export function onSilence(state: SourceState, atMs: number): SourceStep {
  if (state.end || atMs - state.lastProgressMs < intervalMs(state, atMs) * 2) return step(state);
  return emitProgress(state, { status: "silent" }, atMs);
}

function intervalMs({ progressIntervalMs, firstProgressMs }: SourceState, atMs: number): number {
  return progressIntervalAt(progressIntervalMs, atMs - (firstProgressMs ?? atMs));
}

function emitProgress(state: SourceState, progress: Progress, atMs: number): SourceStep {
  const event = { type: "migration.progress", progress } as const;
  const firstProgressMs = state.firstProgressMs ?? atMs;
  return step({ ...state, lastProgressMs: atMs, firstProgressMs }, [{ event }]);
}
