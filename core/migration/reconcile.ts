import type { Observation } from "../protocol/observation.ts";
import {
  isIdleStatus,
  isPostcopyStatus,
  isUnloadedStatus,
  SETUP_STATUS,
  UNTOUCHED_STATUS,
} from "../qemu/migration-status.ts";

/** What one side answered; `unreachable`: its agent did not answer within the deadline. */
export type Observed = Observation | "unreachable";

export type ReconcileInput = {
  source: Observed;
  target: Observed;
  /** From 1 on; from turn {@link TURNS_MAX} on there is no `wait` and no `await-postcopy`. */
  turn: number;
  /** The guest was running when the migration began (a paused guest is never started). */
  wasRunning: boolean;
};

export type ReconcileAction =
  /** The guest runs on the target: record that. */
  | "complete"
  /** The target holds the whole guest, the source has given it up: let the target run. */
  | "resume-target"
  /** The migration is under way: cancel it on the source, then observe again. */
  | "cancel-source"
  /** The guest is at the source: end the target's process, then observe again. */
  | "discard-target"
  /** The source holds the only copy, stopped: let it run. */
  | "resume-source"
  /** The guest is at the source and the target has no process: the migration has failed. */
  | "end"
  /** Postcopy is under way, or can be recovered: wait for its end. */
  | "await-postcopy"
  /** No copy of the guest is left. */
  | "lost"
  /** Observe again later. */
  | "wait"
  /** The observations do not decide: touch nothing, a person is needed. */
  | "freeze";

export type Decision = { action: ReconcileAction; reason: string };

/** Turns before a person is called. */
export const TURNS_MAX = 6;

type SourceState =
  | "running" // guest runs here, no migration under way
  | "migrating" // guest runs here, migration under way
  | "switching" // guest stopped by the switchover, migration under way
  | "stopped" // guest stopped here, migration over and not completed
  | "completed" // QEMU reports that the target has the guest
  | "postcopy"
  | "exited"
  | "unclear";

type TargetState =
  | "absent" // no process, and the guest never ran in it
  | "empty" // process without a whole guest in it
  | "listening" // nothing has arrived yet
  | "loading" // the stream is still coming in
  | "loaded" // the whole guest is here and has never run
  | "ran" // the guest runs here, or has run in the process that still exists
  | "exited" // the guest ran here and its process has ended
  | "postcopy"
  | "unclear";

/**
 * Decides the next single step after a failure, from one observation of each side. It never guesses:
 * a side that does not answer is observed again, and after {@link TURNS_MAX} turns a person is
 * called. The rules are in the order of certainty: first what the target has already done, then what
 * the source still has.
 */
export function reconcile(input: ReconcileInput): Decision {
  const source = sourceState(input.source);
  const target = targetState(input.target);
  // At the first turn the last data that the source sent may still be in flight.
  if (source === "exited" && target === "listening" && input.turn > 1) {
    return {
      action: "discard-target",
      reason: "the source's process has exited; nothing has reached the target",
    };
  }
  const decision = decide(source, target, input.wasRunning);
  const isOpen = decision.action === "wait" || decision.action === "await-postcopy";
  if (!isOpen || input.turn < TURNS_MAX) return decision;
  // The target was started paused, and only its run grant, which needs a completed source, lets the
  // guest run there. So a guest that is seen running on the source runs nowhere else, even if the
  // target does not answer.
  return {
    action: source === "running" ? "end" : "freeze",
    reason: `${decision.reason}; ${input.turn} turns did not change that`,
  };
}

function sourceState(observed: Observed): SourceState {
  if (observed === "unreachable" || observed.process === "silent") return "unclear";
  if (observed.process === "none") return "unclear";
  if (observed.process === "exited") return "exited";
  const status = observed.migrationStatus ?? UNTOUCHED_STATUS;
  if (isPostcopyStatus(status)) return "postcopy";
  if (status === "completed" && observed.runState !== "running") return "completed";
  const isIdle = isIdleStatus(status);
  if (observed.runState === "running") return isIdle ? "running" : "migrating";
  if (observed.runState === undefined) return "unclear";
  return isIdle ? "stopped" : "switching";
}

function targetState(observed: Observed): TargetState {
  if (observed === "unreachable") return "unclear";
  if (observed.process === "none") return "absent";
  // A process that an earlier migration left on this host took no part in this one.
  if (observed.process === "exited" && observed.side !== "target") return "absent";
  if (observed.process === "exited") return observed.everRan ? "exited" : "absent";
  const status = observed.migrationStatus ?? UNTOUCHED_STATUS;
  // Also if the guest runs: part of its memory is still at the source.
  if (isPostcopyStatus(status)) return "postcopy";
  if (observed.everRan || observed.runState === "running") return "ran";
  if (observed.process === "silent") return "unclear";
  if (status === "completed") return "loaded";
  if (isUnloadedStatus(status)) return "empty";
  return status === SETUP_STATUS ? "listening" : "loading";
}

function decide(source: SourceState, target: TargetState, wasRunning: boolean): Decision {
  if (source !== "postcopy" && target === "ran") return targetRan(source);
  if (target === "exited") return targetExited(source);
  if (source === "postcopy" || target === "postcopy") return inPostcopy(source, target);
  switch (source) {
    case "running":
      return sourceKeeps(target, "the guest runs on the source");
    case "migrating":
      return { action: "cancel-source", reason: "the migration is under way at the source" };
    case "switching":
      return {
        action: "cancel-source",
        reason: "the source has stopped the guest but not completed; the target has not run it",
      };
    case "stopped":
      return sourceStopped(target, wasRunning);
    case "completed":
      return sourceCompleted(target, wasRunning);
    case "exited":
      return sourceExited(target);
    case "unclear":
      return { action: "wait", reason: "the source does not report its state" };
  }
}

/** Neither side has the whole guest: nothing is ended, cancelled or resumed here. */
function inPostcopy(source: SourceState, target: TargetState): Decision {
  const isAtTarget = target === "postcopy" || target === "ran";
  if (source === "postcopy" && isAtTarget) {
    return { action: "await-postcopy", reason: "both sides are in postcopy" };
  }
  if (source === "exited") {
    return {
      action: "freeze",
      reason: "the source's process has exited with memory that the target needs",
    };
  }
  if (source === "running" || source === "migrating" || source === "stopped") {
    return { action: "freeze", reason: "one side is in postcopy and the other is not" };
  }
  return { action: "wait", reason: "postcopy has begun; one side does not report its state" };
}

function targetExited(source: SourceState): Decision {
  const reason = "the guest ran on the target and its process has exited there";
  if (source === "running" || source === "migrating") {
    return { action: "freeze", reason: "the guest ran on the target and runs on the source" };
  }
  // The migration was over, so the source's process is ended as after any other. The target's own
  // event records that the guest has failed.
  return { action: source === "completed" ? "complete" : "lost", reason };
}

function targetRan(source: SourceState): Decision {
  if (source === "running" || source === "migrating") {
    return { action: "freeze", reason: "the guest runs on both sides" };
  }
  return { action: "complete", reason: "the guest runs on the target" };
}

function sourceKeeps(target: TargetState, why: string): Decision {
  if (target === "absent") {
    return { action: "end", reason: `${why} and the target has no process` };
  }
  if (target === "unclear") {
    return { action: "wait", reason: `${why}; the target does not report its state` };
  }
  return { action: "discard-target", reason: `${why}; the target never ran it` };
}

function sourceStopped(target: TargetState, wasRunning: boolean): Decision {
  if (target !== "absent") return sourceKeeps(target, "the source holds the guest, stopped");
  return wasRunning
    ? { action: "resume-source", reason: "the source holds the only copy, stopped" }
    : { action: "end", reason: "the source holds the guest, stopped as it was before" };
}

function sourceCompleted(target: TargetState, wasRunning: boolean): Decision {
  switch (target) {
    case "loaded":
      return {
        action: "resume-target",
        reason: "the source has completed; the target has loaded the guest and not run it",
      };
    case "absent":
      return sourceStopped(target, wasRunning);
    case "empty":
      return { action: "discard-target", reason: "the target's process holds no guest" };
    default:
      return {
        action: "wait",
        reason: "the source has completed; the target is not ready or does not report its state",
      };
  }
}

function sourceExited(target: TargetState): Decision {
  switch (target) {
    case "loaded":
      return {
        action: "resume-target",
        reason: "the source's process has exited; the target has loaded the whole guest",
      };
    case "listening":
    case "loading":
    case "unclear":
      return {
        action: "wait",
        reason: "the source's process has exited; the target does not have the whole guest yet",
      };
    case "empty":
      return {
        action: "discard-target",
        reason: "the source's process has exited; the target's process holds no guest",
      };
    default:
      return {
        action: "lost",
        reason: "the source's process exited before the target had the whole guest",
      };
  }
}
