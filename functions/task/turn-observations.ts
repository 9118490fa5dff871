import type { Tries, UndoAction } from "../../core/migration/reconcile.ts";
import type { Observed } from "../../core/migration/side-state.ts";
import { Observation } from "../../core/protocol/observation.ts";
import type { StoredCommand } from "../store/commands.ts";

/** The stored commands of one turn, by step name. */
export type TurnCommands = Map<string, StoredCommand>;

type LastObservations = { source?: Observation | undefined; target?: Observation | undefined };

const undoSteps = {
  "cancel-source": { step: "cancel-source", verb: "source.cancel", side: "source" },
  "resume-source": { step: "resume-source", verb: "source.resume", side: "source" },
  "resume-target": { step: "resume-target", verb: "target.resume", side: "target" },
  "discard-target": { step: "discard-target", verb: "target.discard", side: "target" },
} as const;

export const turnSteps = ["observe-source", "observe-target", ...Object.keys(undoSteps)];

/** The undo step of an action; most actions have none. */
export function undoOf(action: string) {
  return Object.hasOwn(undoSteps, action) ? undoSteps[action as keyof typeof undoSteps] : undefined;
}

/**
 * What is known of each side at one turn. When both were observed, only that counts: a side that did
 * not answer is unreachable. After an undo step, its answer replaces the last observation of that
 * side; the other side keeps its observation of the turn before.
 */
export function observationsOf(
  before: LastObservations | undefined,
  commands: TurnCommands,
): { source: Observed; target: Observed } {
  if (commands.has("observe-source") || commands.has("observe-target")) {
    return {
      source: observationIn(commands.get("observe-source")) ?? "unreachable",
      target: observationIn(commands.get("observe-target")) ?? "unreachable",
    };
  }
  const last: LastObservations = { ...before };
  for (const { step, side } of Object.values(undoSteps)) {
    const command = commands.get(step);
    if (command !== undefined) last[side] = observationIn(command);
  }
  const isNothingKnown = commands.size === 0;
  return {
    source: (isNothingKnown ? undefined : last.source) ?? "unreachable",
    target: (isNothingKnown ? undefined : last.target) ?? "unreachable",
  };
}

/** What a discarded target's agent would report. */
const discarded: Observation = {
  side: "target",
  process: "exited",
  remembers: true,
  permittedToRun: false,
  contSent: false,
  arrived: false,
  saidCompleted: false,
  linkUp: false,
};

/** Why the undo step of this turn failed, in its agent's words; undefined: none failed. */
export function undoFailure(commands: TurnCommands): string | undefined {
  for (const { step } of Object.values(undoSteps)) {
    const error = commands.get(step)?.error;
    if (error !== undefined) return `${error.code}: ${error.message}`.slice(0, 1_000);
  }
  return undefined;
}

type PastDecision = { readonly action: string; readonly undoFailed?: string | undefined };

/** How often each undo action was decided, and why its last try failed: the next turn says that. */
export function triesOf(decisions: readonly PastDecision[]): Partial<Record<UndoAction, Tries>> {
  const tries: Partial<Record<UndoAction, Tries>> = {};
  for (const [place, { action }] of decisions.entries()) {
    if (undoOf(action) === undefined) continue;
    const undo = action as UndoAction;
    const lastError = decisions[place + 1]?.undoFailed ?? tries[undo]?.lastError;
    tries[undo] = { count: (tries[undo]?.count ?? 0) + 1, lastError };
  }
  return tries;
}

function observationIn(command: StoredCommand | undefined): Observation | undefined {
  if (command?.state !== "completed") return undefined;
  if (command.verb === "target.discard") {
    return discarded;
  }
  return Observation.parse(command.result);
}
