import { memoryUse, seeMemory, seeStart } from "../../../core/migration/memory-use.ts";
import { progressIntervalAt } from "../../../core/migration/progress-interval.ts";
import type { Progress } from "../../../core/protocol/event.ts";
import { isFinalStatus } from "../../../core/qemu/migration-status.ts";
import { isStoppedBySwitchover } from "../../../core/qemu/run-state.ts";
import { onCopied, onCopyFailed, onPermit, openWhenDue } from "./copies-state.ts";
import { hasConverged, toFigures } from "./progress.ts";
import {
  endStandstill,
  isSwitchoverStatus,
  judgeSwitchover,
  onDeadline,
  onQmpAnswers,
  onQmpSilent,
  onResume,
  onRunState,
  onStop,
} from "./standstill.ts";
import {
  type GaveUp,
  NO_POSTCOPY,
  type PermittedBy,
  type SourceAction,
  type SourceInput,
  type SourceState,
  type SourceStep,
  step,
  type Timed,
} from "./state.ts";

const ERROR_CHARACTERS_MAX = 4_000;

/**
 * What follows from each thing that the source's agent learns of one migration:
 *
 *   ACK's trace line          event `acked`
 *   status pre-switchover     action `continue`: the guest is stopped already
 *   STOP of the switchover    event `stopped`, once judged: the downtime runs (standstill.ts)
 *   any other stop            event `standstill`, when it begins and when it ends
 *   status postcopy-active    event `postcopy`, action `hand-over`
 *   status completed          actions `hand-over`, `read-final-figures`; then event
 *                             `source-completed` and action `end`
 *   the target's answer       event `handed-over`, also after the end
 *   status failed, cancelled  action `read-final-figures`; then event `failed` and action `end`
 *   precopy deadline          action `cancel`, until the guest is stopped
 *   gate                      event `held` when converged, acknowledged and settled
 *
 * Any other status, one that a later QEMU adds included, is a migration in progress. Nothing here
 * reads a clock or does I/O: times come with the inputs, actions are carried out by SourceMigration.
 * Inputs that come twice, late or out of order change nothing.
 */
export function nextSourceState(state: SourceState, input: SourceInput): SourceStep {
  switch (input.type) {
    case "attached":
      return onAttached(state, input);
    case "ack-observed":
      return step({ ...state, isAckObserved: true });
    case "gate-held":
      return step({ ...state, gate: "holding" });
    case "started":
      return step({ ...state, memory: seeStart(state.memory) }, [
        { event: { type: "migration.started" } },
      ]);
    case "status":
      return onStatus(state, input);
    case "stop":
      return onStop(state, input.atMs);
    case "resume":
      return onResume(state, input.atMs);
    case "passes":
      return onPasses(state, input.count);
    case "ack":
      return onAck(state, input);
    case "figures":
      return onFigures(state, input);
    case "figures-taken":
      return onFiguresTaken(state, input);
    case "silence":
      return onSilence(state, input.atMs);
    case "qmp-silent":
      return onQmpSilent(state, input.sinceMs);
    case "qmp-answers":
      return onQmpAnswers(state, input.atMs);
    case "run-state":
      return onRunState(state, input);
    case "run-state-read":
      return onRunStateRead(state, input);
    case "arrived":
      return onArrived(state, input.atMs);
    case "final-figures":
      return onFinalFigures(state, input);
    case "permit":
      return onPermit(state, input.by);
    case "copied":
      return onCopied(state, input);
    case "copy-failed":
      return onCopyFailed(state, input.reason);
    case "gate-opened":
      return onGateOpened(state, input.by);
    case "gate-not-opened":
      return step({ ...state, gate: "holding" });
    case "cancel":
      return onCancel(state, input.status);
    case "deadline":
      return onDeadline(state);
    case "hook-aborted":
      return giveUp(state, { hook: input.reason }, { orContinue: true });
    case "ladder-gave-up":
      return giveUp(state, { ladder: input.reason }, { orContinue: false });
    case "watch-gave-up":
      return onWatchGaveUp(state, input.gaveUp);
    case "recovery":
      return step({ ...state, isRecovering: input.isUnderWay });
    case "not-started":
      return ended(state, "not-started");
    case "exited":
      return onExited(state, input);
    case "detached":
      return step({ ...state, isDetached: true });
  }
}

function giveUp(
  state: SourceState,
  reason: SourceState["reasons"],
  { orContinue }: { orContinue: boolean },
): SourceStep {
  const reasons = { ...state.reasons, ...reason };
  return step({ ...state, reasons }, [], [{ type: "cancel", orContinue }]);
}

function onAttached(
  state: SourceState,
  input: Extract<SourceInput, { type: "attached" }>,
): SourceStep {
  const { gate, isGated = true, postcopy, ladderGaveUp, runState, standstill } = input;
  const reasons =
    ladderGaveUp === undefined ? state.reasons : { ...state.reasons, ladder: ladderGaveUp };
  const held = { gate, isGated, copies: input.copies ?? ("none" as const) };
  const known = { ...held, postcopy: postcopy ?? NO_POSTCOPY, reasons, runState, standstill };
  return step({ ...state, ...known });
}

function onGateOpened(state: SourceState, by: PermittedBy | undefined): SourceStep {
  const next: SourceState = { ...state, gate: "opened" };
  if (by === undefined) return step(next);
  return step(next, [{ event: { type: "migration.gate-opened", by } }]);
}

function onStatus(before: SourceState, { status, atMs }: StatusAt): SourceStep {
  if (before.end) return step(before);
  const { state, events } = judgeStatus({ ...before, status });
  if (status === "pre-switchover") return step(state, events, [{ type: "continue" }]);
  if (status === "completed") return completed(before, { status, atMs });
  if (status === "failed" || status === "cancelled") return failed(state, { status, atMs });
  const next = onPostcopyStatus(state, { status, atMs });
  return step(next.state, [...events, ...next.events], next.actions);
}

function judgeStatus(state: SourceState): SourceStep {
  return isSwitchoverStatus(state.status) ? judgeSwitchover(state) : step(state);
}

type StatusAt = { status: string; atMs: number };

/** From postcopy-active on the guest is the target's, which waits for the handover. */
function onPostcopyStatus(state: SourceState, { status, atMs }: StatusAt): SourceStep {
  const { active, pauses, paused } = state.postcopy;
  if (status === "postcopy-active" && (!active || paused)) {
    const postcopy = { active: true, pauses, paused: false };
    const next = { ...state, postcopy };
    const note: SourceAction = { type: "note-postcopy", postcopy };
    if (active) return step(next, [], [note]);
    const events = [{ event: { type: "migration.postcopy" } as const, atMs }];
    const { runState } = state;
    return step(next, events, [note, { type: "hand-over", when: "postcopy", runState }]);
  }
  if (status === "postcopy-paused" && !state.isRecovering) {
    const pause = paused ? pauses : pauses + 1;
    // The status is read again and again for as long as the pause lasts.
    if (pause === state.emittedPause) return step(state);
    const postcopy = { active: true, pauses: pause, paused: true };
    const event = { type: "migration.postcopy-paused", pause } as const;
    const next = { ...state, postcopy, emittedPause: pause };
    return step(next, [{ event, atMs }], [{ type: "note-postcopy", postcopy }]);
  }
  return step(state);
}

/** Only a gate, or an ACK that will be seen, is known to hold it and to be over at some time. */
function onPasses(state: SourceState, count: number): SourceStep {
  if (!state.isAckObserved && state.gate !== "holding") return step(state);
  const { bestBytesPerSecond } = state;
  return step(state, [], [{ type: "calm-passes", count, bestBytesPerSecond }]);
}

function onAck(
  state: SourceState,
  { pending, atMs }: Extract<SourceInput, { type: "ack" }>,
): SourceStep {
  const event = { type: "migration.acked", evidence: "trace", pending } as const;
  if (pending !== 0) return step(state, [{ event, atMs }]);
  // A gate holds on, and the passes continue.
  const actions = state.gate === "holding" ? [] : [{ type: "stop-calming" } as const];
  return step({ ...state, isAcked: true }, [{ event, atMs }], actions);
}

function onFigures(
  before: SourceState,
  input: Extract<SourceInput, { type: "figures" }>,
): SourceStep {
  if (before.end || before.isDetached) return step(before);
  const { progress, atMs } = input;
  const { status } = progress;
  const known = { ...before, status, memory: seeMemory(before.memory, progress) };
  // Events can be missed while the agent is away; the status cannot.
  if (status === "completed") return step(known, [], [{ type: "read-run-state" }]);
  if (isFinalStatus(status) || status === "none") return failed(known, { status, atMs });
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

function onFiguresTaken(
  state: SourceState,
  { progress, atMs }: { progress: Progress; atMs: number },
): SourceStep {
  if (isFinalStatus(progress.status) || progress.status === "none") return step(state);
  if (atMs - state.lastProgressMs < intervalMs(state, atMs)) return step(state);
  return emitProgress(state, progress, atMs);
}

/** A sign of life while QEMU does not answer. */
function onSilence(state: SourceState, atMs: number): SourceStep {
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

/** After a `completed` that was not seen as an event. */
function onRunStateRead(
  state: SourceState,
  { runState, atMs }: { runState: string; atMs: number },
): SourceStep {
  if (state.end) return step(state);
  // Of an earlier migration, whose guest was resumed: this one has never begun.
  if (!isStoppedBySwitchover(runState)) return failed(state, { status: "none", atMs });
  return completed(state, { status: "completed", atMs });
}

/** The target first: the guest is stopped until the target hears of it. */
function completed(before: SourceState, { status, atMs }: StatusAt): SourceStep {
  const judged = judgeSwitchover({ ...before, status });
  const { state, events } = endStandstill(judged.state, atMs);
  const { runState } = state;
  return step(
    { ...state, end: { status, atMs } },
    [...judged.events, ...events],
    [{ type: "hand-over", when: "completed", runState }, { type: "read-final-figures" }],
  );
}

/** QEMU resumed the guest by itself, if the guest ran before the migration stopped it. */
function failed(before: SourceState, { status, atMs }: StatusAt): SourceStep {
  const { state, events } = endStandstill(before, atMs);
  const end = { status, atMs: undefined };
  return step({ ...state, end }, events, [{ type: "read-final-figures" }]);
}

/** `blackoutMs` has one clock only; a guest that did not run has none. */
function onArrived(state: SourceState, atMs: number): SourceStep {
  if (state.hasArrived || state.isDetached) return step(state);
  const blackoutMs = state.stop && Math.max(0, atMs - state.stop.atMs);
  const event = {
    type: "migration.handed-over",
    ...(blackoutMs === undefined ? {} : { blackoutMs }),
  } as const;
  const note: SourceAction = { type: "note-handed-over", atMs };
  return step({ ...state, hasArrived: true }, [{ event, atMs }], [note]);
}

function onFinalFigures(
  state: SourceState,
  { info, disks, handedOver }: Extract<SourceInput, { type: "final-figures" }>,
): SourceStep {
  const { end } = state;
  if (!end || state.isDetached) return step(state);
  if (end.status === "completed") {
    const figures = toFigures(info, disks);
    const memory = memoryUse(seeMemory(state.memory, figures.progress));
    const event = {
      type: "migration.source-completed",
      handedOver,
      figures: { ...figures, memory },
    } as const;
    return ended(state, end.status, [{ event, atMs: end.atMs }]);
  }
  const { hook, ladder, deadline, watch, copy } = state.reasons;
  const why = hook ?? ladder ?? copy ?? watch?.reason ?? deadline ?? info?.["error-desc"] ?? "";
  const noConvergence = ladder === undefined ? {} : ({ code: "no-convergence" } as const);
  const byWatch = watch === undefined ? noConvergence : { code: watch.code };
  const code = copy === undefined ? byWatch : ({ code: "disk-not-copied" } as const);
  const event = { ...failure(end.status, why), ...code };
  return ended(state, end.status, [{ event }]);
}

function onCancel(state: SourceState, status: string): SourceStep {
  if (isFinalStatus(status)) return step(state, [], [{ type: "poll" }]);
  if (status === "none") return ended(state, "not-started");
  return step(state, [], [{ type: "cancel-qemu" }]);
}

/** Neither in postcopy, where the guest is the target's, nor after the end. */
function onWatchGaveUp(state: SourceState, gaveUp: GaveUp): SourceStep {
  const isStopped = (state.stop ?? state.unjudgedStop) !== undefined;
  const isDue = isStopped === (gaveUp.during === "switchover");
  if (state.end || state.postcopy.active || !isDue) return step(state);
  const next = { ...state, reasons: { ...state.reasons, watch: gaveUp } };
  return step(next, [], [isStopped ? { type: "yank" } : { type: "cancel", orContinue: false }]);
}

function onExited(
  before: SourceState,
  { lastWords, atMs }: { lastWords: string; atMs: number },
): SourceStep {
  if (before.end || before.isDetached) return step(before);
  const { state, events } = endStandstill(before, atMs);
  const event = failure("exited", `The source's QEMU has ended: ${lastWords}`);
  return ended(state, "exited", [...events, { event }]);
}

function failure(status: string, why: string) {
  const errorDescription = why.slice(0, ERROR_CHARACTERS_MAX);
  return { type: "migration.failed", side: "source", status, errorDescription } as const;
}

function ended(state: SourceState, status: string, events: readonly Timed[] = []): SourceStep {
  const end = state.end ?? { status, atMs: undefined };
  return step({ ...state, end }, events, [{ type: "end", status }]);
}
