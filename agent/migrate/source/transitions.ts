import { seeStart } from "../../../core/migration/memory-use.ts";
import { isFinalStatus } from "../../../core/qemu/migration-status.ts";
import { onCopied, onCopyFailed, onPermit } from "./copies-state.ts";
import { completed, ended, failed, onExited, onFinalFigures, onRunStateRead } from "./end-state.ts";
import { onFigures, onFiguresTaken, onSilence } from "./figures-state.ts";
import { onPostcopyStatus } from "./postcopy-state.ts";
import {
  judgeStatus,
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
  type StatusAt,
  step,
} from "./state.ts";

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
