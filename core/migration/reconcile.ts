import { needsResume } from "../qemu/run-state.ts";
import {
  type Observed,
  type RecordMemory,
  type SourceState,
  sourceState,
  type TargetState,
  targetState,
} from "./side-state.ts";

/** Actions that a command to one side carries out. */
export const undoActions = [
  "cancel-source",
  "resume-source",
  "resume-target",
  "discard-target",
] as const;
export type UndoAction = (typeof undoActions)[number];

/** How often an action was tried in this migration, and what its last failure said. */
export type Tries = { readonly count: number; readonly lastError?: string | undefined };

export type ReconcileInput = {
  readonly source: Observed;
  readonly target: Observed;
  /** 1 for the first turn. */
  readonly turn: number;
  /** The guest's run state before the switchover (QEMU's name). */
  readonly runStateBefore: string;
  readonly record: RecordMemory;
  readonly tries: Readonly<Partial<Record<UndoAction, Tries>>>;
  /** The reason of the decision at the turn before; absent at the first turn. */
  readonly reasonBefore?: string | undefined;
};

export type ReconcileAction =
  /** The guest has arrived at the target: write that down. */
  | "complete"
  /** The target holds the whole guest, the source has given it up: let the target run. */
  | "resume-target"
  /** The migration is still going: end it on the source, then observe again. */
  | "cancel-source"
  /** The guest is at the source: end the target's process, then observe again. */
  | "discard-target"
  /** The source holds the only copy, stopped by the switchover: give it back, and let it run if it ran. */
  | "resume-source"
  /** The guest is at the source and nothing of it elsewhere: the migration has failed. */
  | "end"
  /** Postcopy goes on, or can be brought to go on: wait for its end. */
  | "await-postcopy"
  /** No copy of the guest is left. */
  | "lost"
  /** Observe again later. */
  | "wait"
  /** Nobody can tell without a person: touch nothing. */
  | "freeze";

export type Decision = {
  readonly action: ReconcileAction;
  readonly reason: string;
};

/** Turns in which nothing could be decided before a person is called. */
export const UNDECIDED_TURNS_MAX = 6;
/** Turns of one way back, whatever they decided. */
export const TURNS_MAX = 30;
/** Tries of one action in one migration. */
export const TRIES_MAX = 5;

/**
 * Decides the next single step after a failure from what both sides observe and remember and from
 * what the record knows. It never guesses: a side that does not answer is asked again, and in the
 * end a person is called. Every way ends: an action is tried {@link TRIES_MAX} times at most, and
 * after {@link TURNS_MAX} turns the answer is final.
 */
export function reconcile(input: ReconcileInput): Decision {
  const source = sourceState(input.source, input.record);
  const target = targetState(input.target, input.record);
  const decided = decide(source, target, input);
  // The two observations are not of one moment: what contradicts itself is observed once more.
  const mayPass = decided.action === "freeze" && decided.reason !== input.reasonBefore;
  if (mayPass && input.turn < TURNS_MAX) return { action: "wait", reason: decided.reason };
  const decision = bounded(decided, source, target, input);
  const isFinal = ["complete", "end", "lost", "freeze"].includes(decision.action);
  if (isFinal || input.turn < TURNS_MAX) return decision;
  return giveUp(source, `${decision.reason}; ${input.turn} turns did not change that`);
}

/** Takes the place of an action that was tried too often, and of waiting that has lasted too long. */
function bounded(
  decision: Decision,
  source: SourceState,
  target: TargetState,
  input: ReconcileInput,
): Decision {
  const { action, reason } = decision;
  if (action === "wait" || action === "await-postcopy") {
    if (input.turn < UNDECIDED_TURNS_MAX) return decision;
    return giveUp(source, `${reason}; ${input.turn} turns did not change that`);
  }
  const tried = input.tries[action as UndoAction];
  if (tried === undefined || tried.count < TRIES_MAX) return decision;
  const said = tried.lastError === undefined ? "" : `: ${tried.lastError}`;
  const why = `${reason}; ${action} was tried ${tried.count} times${said}`;
  if (action === "resume-target" && target === "refused") return afterRefusal(source, input, why);
  return giveUp(source, why);
}

/**
 * A guest that runs, or stands by itself, on the source is in no doubt: a target that cannot be
 * ended holds nothing that may run. Everything else needs a person.
 */
function giveUp(source: SourceState, reason: string): Decision {
  const isAtSource = source === "running" || source === "standing";
  return { action: isAtSource ? "end" : "freeze", reason };
}

/** The target's QEMU will not run the guest, and has not: the completed source may have it back. */
function afterRefusal(source: SourceState, input: ReconcileInput, why: string): Decision {
  if (source !== "completed" || isPastResume(input)) return { action: "freeze", reason: why };
  const discarded = input.tries["discard-target"]?.count ?? 0;
  if (discarded >= TRIES_MAX) return { action: "freeze", reason: why };
  return { action: "discard-target", reason: why };
}

/**
 * QEMU 10.0 and 11.1 abort on `cont` after a guest in S3 has been migrated away ("invalid runstate
 * transition: 'postmigrate' -> 'suspended'", tried): the source's copy would be lost.
 */
function isPastResume({ runStateBefore }: ReconcileInput): boolean {
  return runStateBefore === "suspended";
}

function decide(source: SourceState, target: TargetState, input: ReconcileInput): Decision {
  // What the source sent with its last breath may still be on its way at the first turn.
  if (source === "exited" && target === "listening" && input.turn > 1) {
    const reason = "the source has exited; nothing has reached the target";
    return { action: "discard-target", reason };
  }
  if (source !== "postcopy" && target === "arrived") return targetArrived(source);
  if (target === "died") return targetDied(source);
  if (source === "postcopy" || target === "postcopy") return inPostcopy(source, target, input);
  if (target === "permitted") return targetPermitted(source);
  switch (source) {
    case "running":
      return sourceKeeps(target, "the guest runs on the source");
    case "standing":
      return sourceKeeps(target, `the guest is on the source, ${runStateOf(input.source)}`);
    case "migrating":
      return { action: "cancel-source", reason: "the migration is still going on the source" };
    case "switching": {
      const reason =
        "the source has stopped the guest but not completed; the target has not run it";
      return { action: "cancel-source", reason };
    }
    case "stopped":
      return sourceStopped(target, input);
    case "completed":
      return sourceCompleted(target, input);
    case "exited":
      return sourceExited(target, input);
    case "unclear":
      return { action: "wait", reason: "the source does not report its state" };
  }
}

function runStateOf(observed: Observed): string {
  return (observed === "unreachable" ? undefined : observed.runState) ?? "in an unknown run state";
}

/** Neither side has the whole guest: nothing is ended, cancelled or resumed here. */
function inPostcopy(source: SourceState, target: TargetState, input: ReconcileInput): Decision {
  const isAtTarget = target === "postcopy" || target === "arrived" || target === "permitted";
  if (source === "postcopy" && isAtTarget) {
    return { action: "await-postcopy", reason: "postcopy has begun, and both sides are there" };
  }
  if (source === "exited") {
    return { action: "freeze", reason: "the source has exited with memory that the target needs" };
  }
  if (source === "postcopy" && target === "forgot" && hasTargetCrashed(input)) {
    return { action: "lost", reason: "postcopy had begun, and the target's host has crashed" };
  }
  if (["running", "standing", "migrating", "stopped"].includes(source)) {
    return { action: "freeze", reason: "one side is in postcopy and the other is not" };
  }
  return { action: "wait", reason: "postcopy has begun; one side does not report its state" };
}

function targetDied(source: SourceState): Decision {
  const reason = "the guest may have run on the target, and its process has ended there";
  if (["running", "standing", "migrating"].includes(source)) {
    return { action: "freeze", reason: `${reason}; it is on the source as well` };
  }
  // The move was over: the source's left-over is ended as after any other, and the VM's record says
  // from the target's own report that it has failed.
  return { action: source === "completed" ? "complete" : "lost", reason };
}

function targetArrived(source: SourceState): Decision {
  if (["running", "standing", "migrating"].includes(source)) {
    return { action: "freeze", reason: "the guest is on both sides" };
  }
  return { action: "complete", reason: "the guest has arrived on the target" };
}

/** It may have run: only the target may have it now, and only being seen there counts. */
function targetPermitted(source: SourceState): Decision {
  if (["running", "standing", "migrating"].includes(source)) {
    return { action: "freeze", reason: "the target may have run the guest that is on the source" };
  }
  const reason = "the target was permitted to run the guest and has not been seen to do it";
  return { action: "resume-target", reason };
}

function sourceKeeps(target: TargetState, why: string): Decision {
  if (target === "absent" || target === "forgot") {
    return { action: "end", reason: `${why} and the target is gone` };
  }
  if (target === "unclear") {
    return { action: "wait", reason: `${why}; the target does not report its state` };
  }
  return { action: "discard-target", reason: `${why}; the target never ran it` };
}

/** The migration failed after the guest was stopped: the source never gave it away. */
function sourceStopped(target: TargetState, input: ReconcileInput): Decision {
  if (target !== "absent" && target !== "forgot") {
    return sourceKeeps(target, "the source holds the guest, stopped");
  }
  return giveBack(input, "the source holds the only copy, stopped");
}

function giveBack({ source, runStateBefore }: ReconcileInput, reason: string): Decision {
  const isReturned = source !== "unreachable" && source.returned === true;
  if (isReturned && !needsResume(runStateBefore)) {
    return { action: "end", reason: `the source has the guest, ${runStateBefore} as before` };
  }
  return { action: "resume-source", reason };
}

function sourceCompleted(target: TargetState, input: ReconcileInput): Decision {
  switch (target) {
    case "loaded":
    case "refused":
      return { action: "resume-target", reason: "the source completed, the target has the guest" };
    case "empty":
      return { action: "discard-target", reason: "the target's process has no guest in it" };
    case "absent":
      if (isPastResume(input)) {
        const reason = "the only copy is a sleeping guest that this QEMU cannot resume any more";
        return { action: "freeze", reason };
      }
      return giveBack(input, "the source holds the only copy, stopped; the target never ran it");
    case "forgot":
      return targetForgot(input);
    default:
      return { action: "wait", reason: "the source completed; the target is not ready or silent" };
  }
}

/**
 * A host that had prepared, and whose agent now knows nothing of it, has lost its memory. What the
 * source never handed over is still the source's.
 */
function targetForgot(input: ReconcileInput): Decision {
  const { source } = input;
  if (source !== "unreachable" && !source.saidCompleted) {
    return giveBack(input, "the source holds the only copy, and never handed it over");
  }
  return handedOverAndForgotten(input);
}

/** Its host has restarted since it had prepared, or is confirmed to be down. */
function hasTargetCrashed({ target, record }: ReconcileInput): boolean {
  if (target === "unreachable") return record.targetDown;
  const { bootId } = target;
  const isKnown = bootId !== undefined && record.targetBootId !== undefined;
  return isKnown && bootId !== record.targetBootId;
}

/** The guest may have run on the target, and may have written to its disks. */
function handedOverAndForgotten(input: ReconcileInput): Decision {
  return hasTargetCrashed(input)
    ? { action: "lost", reason: "the guest was handed over, and the target's host has crashed" }
    : { action: "freeze", reason: "the guest was handed over, and the target has forgotten it" };
}

function sourceExited(target: TargetState, input: ReconcileInput): Decision {
  switch (target) {
    case "loaded":
    case "refused":
      return { action: "resume-target", reason: "the source has exited; the target has it all" };
    case "listening":
    case "loading":
    case "silent":
    case "unclear":
      return { action: "wait", reason: "the source has exited; the target does not have it all" };
    case "empty":
      return { action: "discard-target", reason: "the source has exited; the target has no guest" };
    case "forgot":
      if (input.record.sourceCompleted) return handedOverAndForgotten(input);
      break;
    default:
  }
  return { action: "lost", reason: "the source's process ended before the target had it all" };
}
