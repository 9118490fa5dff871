import { NOTHING_SEEN, type SeenMemory } from "../../../core/migration/memory-use.ts";
import type { Progress } from "../../../core/protocol/event.ts";
import type { MigrationInfo } from "../../../qmp/migration.ts";
import type { MigrationEvent } from "../../guest/emit.ts";
import type { DiskFigures } from "./progress.ts";

/** What the source's agent knows of one migration; transitions.ts: what follows from it. */
export type SourceState = {
  readonly progressIntervalMs: number;
  /** QEMU's last known migration status. */
  readonly status: string;
  /** The trace line of the ACK can be read. Without it nothing waits for the ACK. */
  readonly isAckObserved: boolean;
  readonly isAcked: boolean;
  readonly isConverged: boolean;
  /** `opening`: permitted, the hold is being lifted. */
  readonly gate: "none" | "holding" | "opening" | "opened";
  /** The gate waits for a permit: a hold for copies alone is not reported. */
  readonly isGated: boolean;
  /** Who has permitted the switchover. */
  readonly permittedBy: PermittedBy | undefined;
  /** Of the guest's disks: copies-state.ts. */
  readonly copies: "none" | "copying" | "ready";
  /** The first pass over the guest's memory is over. */
  readonly isMemorySent: boolean;
  /** `held` has been emitted. */
  readonly isHeld: boolean;
  /** STOP of the switchover. */
  readonly stop: GuestStop | undefined;
  /** A STOP that may be the switchover's or not: QEMU's status or run state has to show it. */
  readonly unjudgedStop: GuestStop | undefined;
  /** The guest's run state before the switchover: the one in which it has to arrive. */
  readonly runState: string;
  readonly standstill: Standstill | undefined;
  /** The precopy deadline has passed while a STOP was not judged yet. */
  readonly isLate: boolean;
  /** The target's agent has answered that the guest has arrived. */
  readonly hasArrived: boolean;
  readonly postcopy: PostcopyState;
  /** The number of the pause that this run of the agent has emitted last. */
  readonly emittedPause: number | undefined;
  /** A new connection is being made: a paused status is that of the old one. */
  readonly isRecovering: boolean;
  /** Why the agent cancels, in order of precedence. */
  readonly reasons: {
    readonly hook?: string;
    readonly ladder?: string;
    readonly deadline?: string;
    readonly watch?: GaveUp;
    readonly copy?: string;
  };
  /** The highest rate measured, B/s. */
  readonly bestBytesPerSecond: number | undefined;
  /** What QEMU's figures have shown of the guest's memory. */
  readonly memory: SeenMemory;
  readonly lastProgressMs: number;
  /** When the first progress event was emitted by this process. */
  readonly firstProgressMs: number | undefined;
  readonly end: SourceEnd | undefined;
  /** The agent no longer follows this migration; QEMU continues with it. */
  readonly isDetached: boolean;
};

/** What the agent found when it watched the stream and the target's host. */
export type GaveUp = {
  /** Found out in the other phase, or later, it changes nothing. */
  readonly during: "precopy" | "switchover";
  readonly code: "stream-silent" | "target-host-silent";
  readonly reason: string;
};

/** A stop of the guest. `status`: the last migration status that was known then. */
export type GuestStop = {
  readonly atMs: number;
  readonly status: string;
  readonly resumedAtMs?: number;
};

/**
 * The guest is not running although it was, and the switchover has not begun. `reason`: QEMU's run
 * state, or `silent` when QEMU does not answer.
 */
export type Standstill = { readonly reason: string; readonly sinceMs: number };

/** `pauses` counts breaks of the connection; a pause keeps its number over a restart of the agent. */
export type PostcopyState = {
  readonly active: boolean;
  readonly pauses: number;
  readonly paused: boolean;
};

export type SourceEnd = { readonly status: string; readonly atMs: number | undefined };

export type SourceInput =
  /** QEMU is set up. What the manifest holds of an earlier run of the agent comes with it. */
  | {
      type: "attached";
      gate: "none" | "opened" | "holding";
      /** False: a gate holds for the copies alone. */
      isGated?: boolean;
      /** Disks are copied before the switchover. */
      copies?: "copying" | undefined;
      postcopy: PostcopyState | undefined;
      ladderGaveUp: string | undefined;
      runState: string;
      standstill: Standstill | undefined;
    }
  /** Trace lines of the ACK are read from now on. */
  | { type: "ack-observed" }
  | { type: "gate-held" }
  | { type: "started" }
  | { type: "status"; status: string; atMs: number }
  | { type: "stop"; atMs: number }
  | { type: "resume"; atMs: number }
  | { type: "passes"; count: number }
  | { type: "ack"; pending: number; atMs: number | undefined }
  /** An answer of query-migrate. `limitMs`: downtime limit; `isGateSettled`: see Gate. */
  | { type: "figures"; progress: Progress; limitMs: number; isGateSettled: boolean; atMs: number }
  | { type: "figures-taken"; progress: Progress; atMs: number }
  | { type: "silence"; atMs: number }
  /** QEMU has not answered query-migrate, sent at `sinceMs`, for a second; or has answered again. */
  | { type: "qmp-silent"; sinceMs: number }
  | { type: "qmp-answers"; atMs: number }
  /** QEMU's run state has changed: RunStateFollower. */
  | { type: "run-state"; runState: string; atMs: number }
  /** The answer to `read-run-state`. */
  | { type: "run-state-read"; runState: string; atMs: number }
  /** An answer of the target's agent, whenever it comes. */
  | { type: "arrived"; atMs: number }
  | {
      type: "final-figures";
      info: MigrationInfo | undefined;
      disks?: DiskFigures | undefined;
      handedOver: boolean;
    }
  | { type: "permit"; by: PermittedBy }
  /** Read again and again: a guest may write faster than its disks are copied, for a while. */
  | { type: "copied"; copies: "copying" | "ready" }
  | { type: "copy-failed"; reason: string }
  /** `by`: absent for a hold that was for copies alone. */
  | { type: "gate-opened"; by: PermittedBy | undefined }
  | { type: "gate-not-opened" }
  | { type: "cancel"; status: string }
  | { type: "deadline" }
  | { type: "hook-aborted"; reason: string }
  | { type: "ladder-gave-up"; reason: string }
  | { type: "watch-gave-up"; gaveUp: GaveUp }
  | { type: "recovery"; isUnderWay: boolean }
  | { type: "not-started" }
  | { type: "exited"; lastWords: string; atMs: number }
  | { type: "detached" };

export type PermittedBy = "command" | "time";

export type SourceAction =
  | { type: "continue" }
  /** `runState`: the guest's before the switchover. */
  | { type: "hand-over"; when: "postcopy" | "completed"; runState: string }
  /** The run state before the switchover, or the standstill, has changed. */
  | { type: "note-run-state"; runState: string; standstill: Standstill | undefined }
  | { type: "note-handed-over"; atMs: number }
  | { type: "note-postcopy"; postcopy: PostcopyState }
  | { type: "read-run-state" }
  | { type: "read-final-figures" }
  | { type: "poll" }
  | { type: "apply-link-bandwidth" }
  | { type: "calm-passes"; count: number; bestBytesPerSecond: number | undefined }
  | { type: "calm-hold"; bestBytesPerSecond: number | undefined }
  | { type: "stop-calming" }
  | { type: "climb"; progress: Progress; limitMs: number }
  | { type: "open-gate"; by: PermittedBy | undefined }
  /** Where it is too late for a cancel and `orContinue` is set, the switchover continues. */
  | { type: "cancel"; orContinue: boolean }
  | { type: "cancel-qemu" }
  /** QEMU fails the migration, and runs the guest again if it was stopped for the switchover. */
  | { type: "yank" }
  | { type: "end"; status: string };

export type Timed = { readonly event: MigrationEvent; readonly atMs?: number | undefined };

/** Events are emitted before the actions are carried out: an end is durable before it is recorded. */
export type SourceStep = {
  readonly state: SourceState;
  readonly events: readonly Timed[];
  readonly actions: readonly SourceAction[];
};

export function step(
  state: SourceState,
  events: readonly Timed[] = [],
  actions: readonly SourceAction[] = [],
): SourceStep {
  return { state, events, actions };
}

export const NO_POSTCOPY: PostcopyState = { active: false, pauses: 0, paused: false };

export function initialSourceState(progressIntervalMs: number): SourceState {
  return {
    progressIntervalMs,
    status: "none",
    isAckObserved: false,
    isAcked: false,
    isConverged: false,
    gate: "none",
    isGated: false,
    permittedBy: undefined,
    copies: "none",
    isMemorySent: false,
    isHeld: false,
    stop: undefined,
    unjudgedStop: undefined,
    runState: "running",
    standstill: undefined,
    isLate: false,
    hasArrived: false,
    postcopy: NO_POSTCOPY,
    emittedPause: undefined,
    isRecovering: false,
    reasons: {},
    bestBytesPerSecond: undefined,
    memory: NOTHING_SEEN,
    lastProgressMs: 0,
    firstProgressMs: undefined,
    end: undefined,
    isDetached: false,
  };
}

/** A status of the migration, and when QEMU had it. */
export type StatusAt = { status: string; atMs: number };
