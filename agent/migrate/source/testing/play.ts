import type { Progress } from "../../../../core/protocol/event.ts";
import type { MigrationInfo } from "../../../../qmp/migration.ts";
import { playFrom } from "../../testing/play.ts";
import { initialSourceState, type SourceInput, type SourceState } from "../state.ts";
import { nextSourceState } from "../transitions.ts";

export const PROGRESS_INTERVAL_MS = 1_000;
export const AT_MS = 1_000_000;

const NEW = initialSourceState(PROGRESS_INTERVAL_MS);

/** A source whose QEMU is set up: no gate, no earlier run of the agent. */
export const ATTACHED: SourceState = nextSourceState(NEW, {
  type: "attached",
  gate: "none",
  postcopy: undefined,
  ladderGaveUp: undefined,
  runState: "running",
  standstill: undefined,
}).state;

export const ACK_OBSERVED: SourceState = { ...ATTACHED, isAckObserved: true };
export const GATED: SourceState = { ...ACK_OBSERVED, gate: "holding" };

export const started: SourceInput = { type: "started" };
export const stop: SourceInput = { type: "stop", atMs: AT_MS };
export const resume: SourceInput = { type: "resume", atMs: AT_MS };
export const silent = (sinceMs: number): SourceInput => ({ type: "qmp-silent", sinceMs });
export const answers = (atMs: number): SourceInput => ({ type: "qmp-answers", atMs });
export const deadline: SourceInput = { type: "deadline" };
export const exited: SourceInput = { type: "exited", lastWords: "killed", atMs: AT_MS };
export const permit: SourceInput = { type: "permit", by: "command" };
export const detached: SourceInput = { type: "detached" };

export const status = (name: string): SourceInput => ({
  type: "status",
  status: name,
  atMs: AT_MS,
});
export const ack = (pending: number): SourceInput => ({ type: "ack", pending, atMs: AT_MS });
export const cancel = (name: string): SourceInput => ({ type: "cancel", status: name });
export const runState = (name: string, atMs = AT_MS): SourceInput => ({
  type: "run-state",
  runState: name,
  atMs,
});
/** The answer that was asked for after a `completed` that was missed. */
export const runStateRead = (name: string): SourceInput => ({
  type: "run-state-read",
  runState: name,
  atMs: AT_MS,
});
export const arrived = (atMs = AT_MS): SourceInput => ({ type: "arrived", atMs });
/** Final figures of a source that has handed over. */
export const final = (info?: MigrationInfo): SourceInput => ({
  type: "final-figures",
  info,
  handedOver: true,
});
export const figures = (
  progress: Partial<Progress>,
  rest: { limitMs?: number; isGateSettled?: boolean } = {},
): SourceInput => ({
  type: "figures",
  progress: { status: "active", ...progress },
  limitMs: rest.limitMs ?? 300,
  isGateSettled: rest.isGateSettled ?? true,
  atMs: AT_MS,
});

export function play(inputs: readonly SourceInput[], from: SourceState = ATTACHED) {
  return playFrom(from, inputs, nextSourceState);
}
