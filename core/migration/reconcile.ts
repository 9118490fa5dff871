import type { Observation } from "../protocol/observation.ts";

/** What one end said when asked; `unreachable`: its agent did not answer within the deadline. */
export type Observed = Observation | "unreachable";

export type ReconcileInput = {
  source: Observed;
  target: Observed;
  /** 1 for the first turn; after {@link TURNS_MAX} turns `wait` becomes `freeze`. */
  turn: number;
  /** The guest was running when the migration began (a paused guest is never started). */
  wasRunning: boolean;
};

export type ReconcileAction =
  /** The guest runs on the target: write that down. */
  | "complete"
  /** The target holds the whole guest, the source has given it up: let the target run. */
  | "resume-target"
  /** The migration is still going: end it on the source, then look again. */
  | "cancel-source"
  /** The guest is at the source: end the target's process, then look again. */
  | "discard-target"
  /** The source holds the only copy, stopped: let it run. */
  | "resume-source"
  /** The guest is at the source and the target is gone: the migration has failed, nothing else. */
  | "end"
  /** Postcopy goes on, or can be brought to go on: wait for its end. */
  | "await-postcopy"
  /** No copy of the guest is left. */
  | "lost"
  /** Look again later. */
  | "wait"
  /** Nobody can tell without a person: touch nothing. */
  | "freeze";

export type Decision = { action: ReconcileAction; reason: string };

/** Looks at both ends before a person is called. */
export const TURNS_MAX = 6;

type SourceState =
  | "running" // guest runs here, no migration under way
  | "migrating" // guest runs here, migration under way
  | "switching" // guest stopped by the switchover, not over yet
  | "stopped" // guest stopped here, migration over and not completed
  | "completed" // QEMU says the target has the guest
  | "postcopy"
  | "exited"
  | "unclear";

type TargetState =
  | "absent" // no process, and the guest never ran in it
  | "empty" // process without a whole guest in it
  | "listening" // nothing has arrived yet
  | "loading" // the stream is still coming in
  | "loaded" // the whole guest is here and has never run
  | "ran" // the guest runs here, or has run in the process that is still here
  | "died" // the guest ran here and its process has ended
  | "postcopy"
  | "unclear";

const OVER = new Set(["none", "failed", "cancelled", "completed"]);
const POSTCOPY = /^postcopy-/;

/** Both ends' words for one state each. Exported for the table of tests and docs. */
export function sourceState(observed: Observed): SourceState {
  if (observed === "unreachable" || observed.process === "silent") return "unclear";
  if (observed.process === "none") return "unclear";
  if (observed.process === "exited") return "exited";
  const status = observed.migrationStatus ?? "none";
  if (POSTCOPY.test(status)) return "postcopy";
  if (status === "completed" && observed.runState !== "running") return "completed";
  const over = OVER.has(status);
  if (observed.runState === "running") return over ? "running" : "migrating";
  if (observed.runState === undefined) return "unclear";
  return over ? "stopped" : "switching";
}

export function targetState(observed: Observed): TargetState {
  if (observed === "unreachable") return "unclear";
  if (observed.process === "none") return "absent";
  // What an earlier move has left on this host took no part in this one.
  if (observed.process === "exited" && observed.side !== "target") return "absent";
  if (observed.process === "exited") return observed.everRan ? "died" : "absent";
  // Also when it runs: it does not have its memory yet.
  if (POSTCOPY.test(observed.migrationStatus ?? "")) return "postcopy";
  if (observed.everRan || observed.runState === "running") return "ran";
  if (observed.process === "silent") return "unclear";
  const status = observed.migrationStatus ?? "none";
  if (status === "completed") return "loaded";
  if (OVER.has(status)) return "empty";
  return status === "setup" ? "listening" : "loading";
}

/**
 * Decides the next single step after a failure, from what both ends see. It never guesses: an end
 * that does not answer is asked again, and in the end a person is called. The order of the rules is
 * the order of certainty: first what the target has already done, then what the source still has.
 */
export function reconcile(input: ReconcileInput): Decision {
  const source = sourceState(input.source);
  const target = targetState(input.target);
  // At the first turn what a source sent with its last breath may still be on its way.
  if (source === "exited" && target === "listening" && input.turn > 1) {
    return {
      action: "discard-target",
      reason: "the source is gone; nothing has reached the target",
    };
  }
  const decision = decide(source, target, input.wasRunning);
  const isOpen = decision.action === "wait" || decision.action === "await-postcopy";
  if (!isOpen || input.turn < TURNS_MAX) return decision;
  // A target that is silent cannot run the guest: it was started paused, and only the word that the
  // source has completed lets it run. So a guest seen running on the source is not in doubt.
  return {
    action: source === "running" ? "end" : "freeze",
    reason: `${decision.reason}; ${input.turn} turns did not change that`,
  };
}

function decide(source: SourceState, target: TargetState, wasRunning: boolean): Decision {
  if (source !== "postcopy" && target === "ran") return targetRan(source);
  if (target === "died") return targetDied(source);
  if (source === "postcopy" || target === "postcopy") {
    return inPostcopy(source, target);
  }
  switch (source) {
    case "running":
      return sourceKeeps(target, "the guest runs on the source");
    case "migrating":
      return { action: "cancel-source", reason: "the migration is still going on the source" };
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
      return sourceGone(target);
    case "unclear":
      return { action: "wait", reason: "the source does not say what it sees" };
  }
}

/** Neither end has the whole guest: nothing is ended, cancelled or resumed here. */
function inPostcopy(source: SourceState, target: TargetState): Decision {
  const isAtTarget = target === "postcopy" || target === "ran";
  if (source === "postcopy" && isAtTarget) {
    return { action: "await-postcopy", reason: "postcopy has begun, and both ends are there" };
  }
  if (source === "exited") {
    return { action: "freeze", reason: "the source is gone with memory that the target needs" };
  }
  if (source === "running" || source === "migrating" || source === "stopped") {
    return { action: "freeze", reason: "one end is in postcopy and the other is not" };
  }
  return { action: "wait", reason: "postcopy has begun; one end does not say how far it is" };
}

function targetDied(source: SourceState): Decision {
  const reason = "the guest ran on the target and its process has ended there";
  if (source === "running" || source === "migrating") {
    return { action: "freeze", reason: "the guest ran on the target and runs on the source" };
  }
  // The move was over: what is left at the source is ended as after any other, and the VM's record
  // says from the target's own word that it has failed.
  return { action: source === "completed" ? "complete" : "lost", reason };
}

function targetRan(source: SourceState): Decision {
  if (source === "running" || source === "migrating") {
    return { action: "freeze", reason: "the guest runs on both ends" };
  }
  return { action: "complete", reason: "the guest runs on the target" };
}

function sourceKeeps(target: TargetState, why: string): Decision {
  if (target === "absent") return { action: "end", reason: `${why} and the target is gone` };
  if (target === "unclear") {
    return { action: "wait", reason: `${why}; the target does not say what it sees` };
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
      return { action: "resume-target", reason: "the source completed, the target waits to run" };
    case "absent":
    case "empty":
      return target === "empty"
        ? { action: "discard-target", reason: "the target's process has no guest in it" }
        : sourceStopped("absent", wasRunning);
    default:
      return { action: "wait", reason: "the source completed; the target is not ready or silent" };
  }
}

function sourceGone(target: TargetState): Decision {
  switch (target) {
    case "loaded":
      return { action: "resume-target", reason: "the source is gone; the target has it all" };
    case "listening":
    case "loading":
    case "unclear":
      return { action: "wait", reason: "the source is gone; the target does not have it all yet" };
    case "empty":
      return { action: "discard-target", reason: "the source is gone; the target holds no guest" };
    default:
      return { action: "lost", reason: "the source's process ended before the target had it all" };
  }
}
