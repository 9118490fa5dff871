import { isPostcopyStatus } from "../../../core/qemu/migration-status.ts";
import { hasArrived } from "../../../core/qemu/run-state.ts";
import type { MigrationEvent } from "../../guest/emit.ts";

/**
 * What the target's agent knows of one migration, and what follows from each thing it learns:
 *
 *   status completed        everything is loaded; the guest is paused until the run grant
 *   `cont` is refused       event `run-refused`, once for each new text
 *   guest arrived, loaded   event `target-arrived`, action `end`
 *   guest runs in postcopy  event `target-arrived`; action `end` once its memory has come
 *   status failed           action `read-error`; then event `failed` and action `end`. Not once
 *                           everything is loaded
 *   process exited          event `failed` and action `end`
 *
 * A guest has arrived when it was seen in the run state in which it left the source. The run grant is
 * the permission to run it here: from the source's agent, which has seen the source complete, or from
 * the cloud. It is durable before `cont` is sent (see runGuest). Nothing here reads a clock or does I/O.
 */
export type TargetState = {
  /**
   * `postcopy`: the guest runs while its memory follows. `failing`: the error is being read. `ended`:
   * nothing more is emitted.
   */
  readonly phase: "loading" | "loaded" | "postcopy" | "failing" | "ended";
  /** QEMU's words of the last refused `cont`; and how many events there were of them. */
  readonly refusal?: { readonly message: string; readonly events: number };
};

/** What lets the guest run: all of it is here, or all but its memory. */
export type RunsAfter = "completed" | "postcopy";

export type TargetInput =
  /** After a restart of the agent: whether the guest had been seen to run in postcopy. */
  | { type: "reattached"; ranInPostcopy: boolean }
  | { type: "status"; status: string }
  /**
   * Answers of query-status and query-migrate. `isGranted`: the run grant has been written down;
   * `runStateBefore`: the guest's on the source.
   */
  | {
      type: "observed";
      runState: string;
      status: string | undefined;
      isGranted: boolean;
      runStateBefore: string;
      atMs: number;
    }
  | { type: "run-refused"; message: string }
  /** The guest was seen in the run state in which it left the source. */
  | { type: "arrived"; runState: string; when: RunsAfter; atMs: number }
  | { type: "exited"; lastWords: string }
  | { type: "error"; errorDescription: string }
  /** QEMU was replaced as often as it may be. */
  | { type: "stream-not-started"; reason: string }
  | { type: "closed" };

export type TargetAction =
  | { type: "run"; when: RunsAfter; runState: string }
  | { type: "note-arrived"; atMs: number }
  | { type: "note-postcopy" }
  | { type: "read-error" }
  | { type: "run-hook"; hook: "resumed" | "failed" }
  /** `linkMs`: how long the handover link stays for a source that waits for its answer. */
  | { type: "end"; linkMs: number };

export type TimedTargetEvent = { readonly event: MigrationEvent; readonly atMs?: number };

/** Events are emitted before the actions are carried out: an end is durable before it is recorded. */
export type TargetStep = {
  readonly state: TargetState;
  readonly events: readonly TimedTargetEvent[];
  readonly actions: readonly TargetAction[];
};

/** A source whose handover link is broken connects again within this, and hears of the arrival. */
const LINK_MS = 60_000;
const ERROR_CHARACTERS_MAX = 4_000;
/** Of refusals whose text changes at each attempt. */
const REFUSAL_EVENTS_MAX = 10;

export const INITIAL_TARGET_STATE: TargetState = { phase: "loading" };

/** Takes one input in. Inputs that come twice, late or out of order change nothing. */
export function nextTargetState(state: TargetState, input: TargetInput): TargetStep {
  switch (input.type) {
    case "reattached":
      return step({ ...state, phase: input.ranInPostcopy ? "postcopy" : state.phase });
    case "status":
      if (input.status === "completed") return onLoaded(state);
      if (input.status === "failed") return onFailed(state);
      return step(state);
    case "observed":
      return onObserved(state, input);
    case "run-refused":
      return onRunRefused(state, input.message);
    case "arrived":
      return onArrived(state, input);
    case "exited":
      return onExited(state, input.lastWords);
    case "error":
      return failed(state, "failed", input.errorDescription);
    case "stream-not-started":
      if (hasEnded(state)) return step(state);
      return failed(state, "failed", input.reason, "stream-not-started");
    case "closed":
      return step({ ...state, phase: "ended" });
  }
}

function step(
  state: TargetState,
  events: readonly TimedTargetEvent[] = [],
  actions: readonly TargetAction[] = [],
): TargetStep {
  return { state, events, actions };
}

function onLoaded(state: TargetState): TargetStep {
  if (state.phase === "loading") return step({ ...state, phase: "loaded" });
  if (state.phase === "postcopy") return end(state);
  return step(state);
}

/** After a restart of the agent, or a break of the QMP session: events may have been missed. */
function onObserved(
  before: TargetState,
  observed: Extract<TargetInput, { type: "observed" }>,
): TargetStep {
  if (hasEnded(before)) return step(before);
  const { runState, status, isGranted, runStateBefore, atMs } = observed;
  const { state, events, actions } = status === "completed" ? onLoaded(before) : step(before);
  if (hasEnded(state)) return step(state, events, actions);
  const when = isPostcopyStatus(status ?? "none") ? "postcopy" : "completed";
  const isSeen = isGranted && hasArrived(runStateBefore, runState);
  if (isSeen || runState === "running") return onArrived(state, { runState, when, atMs });
  // The agent died between the run grant and `cont`, or just after that.
  if (isGranted) return step(state, [], [{ type: "run", when, runState: runStateBefore }]);
  return status === "failed" ? onFailed(state) : step(state);
}

/** The agent tries again: the text is repeated, so only a new one is reported. */
function onRunRefused(state: TargetState, message: string): TargetStep {
  const events = state.refusal?.events ?? 0;
  if (hasEnded(state) || state.refusal?.message === message) return step(state);
  if (events >= REFUSAL_EVENTS_MAX) return step({ ...state, refusal: { message, events } });
  const event = {
    type: "migration.run-refused",
    message: message.slice(0, ERROR_CHARACTERS_MAX),
  } as const;
  return step({ ...state, refusal: { message, events: events + 1 } }, [{ event }]);
}

function onArrived(
  state: TargetState,
  { runState, when, atMs }: { runState: string; when: RunsAfter; atMs: number },
): TargetStep {
  if (state.phase !== "loading" && state.phase !== "loaded") return step(state);
  const events = [{ event: { type: "migration.target-arrived", runState } as const, atMs }];
  const hook: TargetAction = { type: "run-hook", hook: "resumed" };
  const note: TargetAction = { type: "note-arrived", atMs };
  // The migration has not ended before the guest's memory has come.
  if (when === "postcopy" && state.phase === "loading") {
    return step({ phase: "postcopy" }, events, [hook, note, { type: "note-postcopy" }]);
  }
  return step({ phase: "ended" }, events, [hook, note, { type: "end", linkMs: LINK_MS }]);
}

/**
 * A guest that is all here stays so: QEMU also reports `failed` when a stranger's connection closes
 * after the load (migration/channel.c, migration_channel_process_incoming).
 */
function onFailed(state: TargetState): TargetStep {
  if (hasEnded(state) || state.phase === "loaded") return step(state);
  return step({ ...state, phase: "failing" }, [], [{ type: "read-error" }]);
}

function onExited(state: TargetState, lastWords: string): TargetStep {
  if (hasEnded(state)) return step(state);
  return failed(state, "exited", lastWords);
}

function failed(
  state: TargetState,
  status: string,
  why: string,
  code?: "stream-not-started",
): TargetStep {
  const errorDescription = why.slice(0, ERROR_CHARACTERS_MAX);
  const event = { type: "migration.failed", side: "target", status, errorDescription } as const;
  return step(
    { ...state, phase: "ended" },
    [{ event: code === undefined ? event : { ...event, code } }],
    [
      { type: "run-hook", hook: "failed" },
      { type: "end", linkMs: 0 },
    ],
  );
}

function end(state: TargetState): TargetStep {
  return step({ ...state, phase: "ended" }, [], [{ type: "end", linkMs: LINK_MS }]);
}

function hasEnded({ phase }: TargetState): boolean {
  return phase === "failing" || phase === "ended";
}
