import { isPostcopyStatus } from "../../../core/qemu/migration-status.ts";
import type { MigrationEvent } from "../../guest/emit.ts";

/**
 * What the target's agent knows of one migration, and what follows from each thing it learns:
 *
 *   status completed        everything is loaded; the guest is paused until the run grant
 *   guest runs, loaded      event `target-arrived`, action `end`
 *   guest runs in postcopy  event `target-arrived`; action `end` once its memory has come
 *   status failed           action `read-error`; then event `failed` and action `end`
 *   process exited          event `failed` and action `end`
 *
 * The run grant is the permission to run the guest here: from the source's agent, which has seen the
 * source complete, or from the cloud. It is durable before `cont` is sent (see runGuest). Nothing here
 * reads a clock or does I/O.
 */
export type TargetState = {
  /**
   * `postcopy`: the guest runs while its memory follows. `failing`: the error is being read. `ended`:
   * nothing more is emitted.
   */
  readonly phase: "loading" | "loaded" | "postcopy" | "failing" | "ended";
};

/** What lets the guest run: all of it is here, or all but its memory. */
export type RunsAfter = "completed" | "postcopy";

export type TargetInput =
  /** After a restart of the agent: whether the guest had been seen to run in postcopy. */
  | { type: "reattached"; ranInPostcopy: boolean }
  | { type: "status"; status: string }
  /** Answers of query-status and query-migrate. `isGranted`: the run grant has been written down. */
  | {
      type: "observed";
      running: boolean;
      status: string | undefined;
      isGranted: boolean;
      atMs: number;
    }
  /** The guest runs, or stays paused as it was before the migration. */
  | { type: "taken"; when: RunsAfter; atMs: number }
  | { type: "exited"; lastWords: string }
  | { type: "error"; errorDescription: string }
  | { type: "closed" };

export type TargetAction =
  | { type: "run"; when: RunsAfter }
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

/** The source may still be waiting for the answer that the guest runs. */
const LINK_MS = 5_000;
const ERROR_CHARACTERS_MAX = 4_000;

export const INITIAL_TARGET_STATE: TargetState = { phase: "loading" };

/** Takes one input in. Inputs that come twice, late or out of order change nothing. */
export function nextTargetState(state: TargetState, input: TargetInput): TargetStep {
  switch (input.type) {
    case "reattached":
      return step({ phase: input.ranInPostcopy ? "postcopy" : state.phase });
    case "status":
      if (input.status === "completed") return onLoaded(state);
      if (input.status === "failed") return onFailed(state);
      return step(state);
    case "observed":
      return onObserved(state, input);
    case "taken":
      return onTaken(state, input);
    case "exited":
      return onExited(state, input.lastWords);
    case "error":
      return failed("failed", input.errorDescription);
    case "closed":
      return step({ phase: "ended" });
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
  if (state.phase === "loading") return step({ phase: "loaded" });
  if (state.phase === "postcopy") return end();
  return step(state);
}

/** After a restart of the agent, or a break of the QMP session: events may have been missed. */
function onObserved(
  before: TargetState,
  { running, status, isGranted, atMs }: Extract<TargetInput, { type: "observed" }>,
): TargetStep {
  if (hasEnded(before)) return step(before);
  const { state, events, actions } = status === "completed" ? onLoaded(before) : step(before);
  if (hasEnded(state)) return step(state, events, actions);
  const when = isPostcopyStatus(status ?? "none") ? "postcopy" : "completed";
  if (running) return onTaken(state, { when, atMs });
  // The agent died between the run grant and `cont`, or just after that.
  if (isGranted) return step(state, [], [{ type: "run", when }]);
  return status === "failed" ? onFailed(state) : step(state);
}

function onTaken(
  state: TargetState,
  { when, atMs }: { when: RunsAfter; atMs: number },
): TargetStep {
  if (state.phase !== "loading" && state.phase !== "loaded") return step(state);
  const events = [
    { event: { type: "migration.target-arrived", runState: "running" } as const, atMs },
  ];
  const hook: TargetAction = { type: "run-hook", hook: "resumed" };
  // The migration has not ended before the guest's memory has come.
  if (when === "postcopy" && state.phase === "loading") {
    return step({ phase: "postcopy" }, events, [hook, { type: "note-postcopy" }]);
  }
  return step({ phase: "ended" }, events, [hook, { type: "end", linkMs: LINK_MS }]);
}

function onFailed(state: TargetState): TargetStep {
  if (hasEnded(state)) return step(state);
  return step({ phase: "failing" }, [], [{ type: "read-error" }]);
}

function onExited(state: TargetState, lastWords: string): TargetStep {
  if (hasEnded(state)) return step(state);
  return failed("exited", lastWords);
}

function failed(status: string, why: string): TargetStep {
  const errorDescription = why.slice(0, ERROR_CHARACTERS_MAX);
  const event = { type: "migration.failed", side: "target", status, errorDescription } as const;
  return step(
    { phase: "ended" },
    [{ event }],
    [
      { type: "run-hook", hook: "failed" },
      { type: "end", linkMs: 0 },
    ],
  );
}

function end(): TargetStep {
  return step({ phase: "ended" }, [], [{ type: "end", linkMs: LINK_MS }]);
}

function hasEnded({ phase }: TargetState): boolean {
  return phase === "failing" || phase === "ended";
}
