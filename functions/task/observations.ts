import type { Observed } from "../../core/migration/reconcile.ts";
import { Observation } from "../../core/protocol/observation.ts";
import type { StoredCommand } from "../store/commands.ts";

/** The commands of one turn, by step name. */
export type TurnCommands = Map<string, StoredCommand>;

type Seen = { source?: Observation | undefined; target?: Observation | undefined };

const undoSteps = {
  "cancel-source": { step: "cancel-source", verb: "source.cancel", side: "source" },
  "resume-source": { step: "resume-source", verb: "source.resume", side: "source" },
  "resume-target": { step: "resume-target", verb: "target.resume", side: "target" },
  "discard-target": { step: "discard-target", verb: "target.discard", side: "target" },
} as const;

export const TURN_STEPS = ["observe-source", "observe-target", ...Object.keys(undoSteps)];

/** The command by which an action is carried out; most actions need none. */
export function undoOf(action: string) {
  return Object.hasOwn(undoSteps, action) ? undoSteps[action as keyof typeof undoSteps] : undefined;
}

/**
 * What each end is known to be doing at one turn. When both were observed, only that counts: an end
 * that did not answer is unreachable. After a step back its answer takes the place of that side's
 * last observed; the other side was seen at the turn before.
 */
export function sightingsOf(
  before: Seen | undefined,
  commands: TurnCommands,
): { source: Observed; target: Observed } {
  if (commands.has("observe-source") || commands.has("observe-target")) {
    return {
      source: reportOf(commands.get("observe-source")) ?? "unreachable",
      target: reportOf(commands.get("observe-target")) ?? "unreachable",
    };
  }
  const seen: Seen = { ...before };
  for (const { step, side } of Object.values(undoSteps)) {
    const command = commands.get(step);
    if (command !== undefined) seen[side] = reportOf(command);
  }
  const nothing = commands.size === 0;
  return {
    source: (nothing ? undefined : seen.source) ?? "unreachable",
    target: (nothing ? undefined : seen.target) ?? "unreachable",
  };
}

function reportOf(command: StoredCommand | undefined): Observation | undefined {
  if (command?.state !== "completed") return undefined;
  if (command.verb === "target.discard") {
    return { side: "target", process: "exited", everRan: false, linkUp: false };
  }
  return Observation.parse(command.result);
}
