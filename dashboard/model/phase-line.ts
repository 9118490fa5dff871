import { forwardPhases } from "../../core/migration/phases.ts";
import type { Moving } from "../api-types.ts";

export type PhaseStep = {
  readonly name: string;
  /** `skipped`: it ended before this phase came. */
  readonly state: "done" | "current" | "failed" | "future" | "skipped";
  /** Time in it so far; absent before it. */
  readonly ms?: number;
};

const ends = {
  completed: "done",
  failed: "failed",
  cancelled: "failed",
  unknown: "failed",
} as const;

/** All phases: those that are over with their times, the one that goes on, and those to come. */
export function phaseLine(migration: Moving, nowMs: number): PhaseStep[] {
  const { phases, status, endedAt, failure } = migration;
  const endMs = endedAt === undefined ? nowMs : Date.parse(endedAt);
  const entered = phases.map(({ name, startedAt }, place): PhaseStep => {
    const next = phases[place + 1]?.startedAt;
    const untilMs = next === undefined ? endMs : Date.parse(next);
    const ms = Math.max(0, untilMs - Date.parse(startedAt));
    const isFault = status !== "completed" && failure?.phase === name;
    if (isFault) return { name, state: "failed", ms };
    if (next !== undefined) return { name, state: "done", ms };
    if (status === "running") return { name, state: "current", ms };
    // The end is recorded after the way back: the fault was in an earlier phase.
    return { name, state: failure === undefined ? ends[status] : "done", ms };
  });
  const isOnWayBack = phases.some(({ name }) => !isForward(name));
  const last = phases.findLast(({ name }) => isForward(name))?.name ?? "";
  const rest = forwardPhases.slice((forwardPhases as readonly string[]).indexOf(last) + 1);
  const isOver = status !== "running" || isOnWayBack;
  if (status === "completed") return entered;
  return [
    ...entered,
    ...rest.map((name): PhaseStep => ({ name, state: isOver ? "skipped" : "future" })),
  ];
}

function isForward(name: string): boolean {
  return (forwardPhases as readonly string[]).includes(name);
}
