import type { Observed } from "../../core/migration/reconcile.ts";
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

function observationIn(command: StoredCommand | undefined): Observation | undefined {
  if (command?.state !== "completed") return undefined;
  if (command.verb === "target.discard") {
    return { side: "target", process: "exited", everRan: false, linkUp: false };
  }
  return Observation.parse(command.result);
}
