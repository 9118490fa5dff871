import type { Sighting } from "../../core/reconcile.ts";
import { ProcessReport } from "../../core/report.ts";
import type { StoredCommand } from "../store/commands.ts";

/** The commands of one look, by step name. */
export type Look = Map<string, StoredCommand>;

type Seen = { source?: ProcessReport | undefined; target?: ProcessReport | undefined };

const undoSteps = {
  "cancel-source": { step: "cancel-source", verb: "source.cancel", side: "source" },
  "resume-source": { step: "resume-source", verb: "source.resume", side: "source" },
  "resume-target": { step: "resume-target", verb: "target.resume", side: "target" },
  "discard-target": { step: "discard-target", verb: "target.discard", side: "target" },
} as const;

export const LOOK_STEPS = ["observe-source", "observe-target", ...Object.keys(undoSteps)];

/** The command by which an action is carried out; most actions need none. */
export function undoOf(action: string) {
  return Object.hasOwn(undoSteps, action) ? undoSteps[action as keyof typeof undoSteps] : undefined;
}

/**
 * What each end is known to be doing at one look. When both were observed, only that counts: an end
 * that did not answer is unreachable. After a step back its answer takes the place of that side's
 * last sighting; the other side was seen at the look before.
 */
export function sightingsOf(
  before: Seen | undefined,
  look: Look,
): { source: Sighting; target: Sighting } {
  if (look.has("observe-source") || look.has("observe-target")) {
    return {
      source: reportOf(look.get("observe-source")) ?? "unreachable",
      target: reportOf(look.get("observe-target")) ?? "unreachable",
    };
  }
  const seen: Seen = { ...before };
  for (const { step, side } of Object.values(undoSteps)) {
    const command = look.get(step);
    if (command !== undefined) seen[side] = reportOf(command);
  }
  const nothing = look.size === 0;
  return {
    source: (nothing ? undefined : seen.source) ?? "unreachable",
    target: (nothing ? undefined : seen.target) ?? "unreachable",
  };
}

function reportOf(command: StoredCommand | undefined): ProcessReport | undefined {
  if (command?.state !== "completed") return undefined;
  if (command.verb === "target.discard") {
    return { role: "target", process: "gone", everRan: false, linkUp: false };
  }
  return ProcessReport.parse(command.result);
}
