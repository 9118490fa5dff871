import type { Progress } from "../../../core/protocol/event.ts";
import type { MigrationInfo } from "../../../qmp/migration.ts";
import type { MigrationEvent } from "../../guest/emit.ts";

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
  /** `held` has been emitted. */
  readonly isHeld: boolean;
  readonly stop: GuestStop | undefined;
  readonly postcopy: PostcopyState;
  /** A new connection is being made: a paused status is that of the old one. */
  readonly isRecovering: boolean;
  /** Why the agent cancels, in order of precedence. */
  readonly reasons: {
    readonly hook?: string;
    readonly ladder?: string;
    readonly deadline?: string;
  };
  /** The highest rate measured, B/s. */
  readonly bestBytesPerSecond: number | undefined;
  readonly lastProgressMs: number;
  readonly end: SourceEnd | undefined;
  /** The agent no longer follows this migration; QEMU continues with it. */
  readonly isDetached: boolean;
};

/** The first stop of the guest. Why: the last migration status that was known then. */
export type GuestStop = {
  readonly atMs: number;
  readonly status: string;
  readonly resumedAtMs?: number;
};

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
      postcopy: PostcopyState | undefined;
      ladderGaveUp: string | undefined;
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
  | { type: "run-state"; runState: string; atMs: number }
  | { type: "final-figures"; info: MigrationInfo | undefined; handedOver: boolean }
  | { type: "permit"; by: PermittedBy }
  | { type: "gate-opened"; by: PermittedBy }
  | { type: "gate-not-opened" }
  | { type: "cancel"; status: string }
  | { type: "deadline" }
  | { type: "hook-aborted"; reason: string }
  | { type: "ladder-gave-up"; reason: string }
  | { type: "recovery"; isUnderWay: boolean }
  | { type: "not-started" }
  | { type: "exited"; lastWords: string }
  | { type: "detached" };

export type PermittedBy = "command" | "time";

export type SourceAction =
  | { type: "continue" }
  | { type: "hand-over"; when: "postcopy" | "completed" }
  | { type: "note-postcopy"; postcopy: PostcopyState }
  | { type: "read-run-state" }
  | { type: "read-final-figures" }
  | { type: "poll" }
  | { type: "apply-link-bandwidth" }
  | { type: "calm-passes"; count: number; bestBytesPerSecond: number | undefined }
  | { type: "calm-hold"; bestBytesPerSecond: number | undefined }
  | { type: "stop-calming" }
  | { type: "climb"; progress: Progress; limitMs: number }
  | { type: "open-gate"; by: PermittedBy }
  /** Where it is too late for a cancel and `orContinue` is set, the switchover continues. */
  | { type: "cancel"; orContinue: boolean }
  | { type: "cancel-qemu" }
  | { type: "end"; status: string };

export type Timed = { readonly event: MigrationEvent; readonly atMs?: number | undefined };

/** Events are emitted before the actions are carried out: an end is durable before it is recorded. */
export type SourceStep = {
  readonly state: SourceState;
  readonly events: readonly Timed[];
  readonly actions: readonly SourceAction[];
};

export const NO_POSTCOPY: PostcopyState = { active: false, pauses: 0, paused: false };

export function initialSourceState(progressIntervalMs: number): SourceState {
  return {
    progressIntervalMs,
    status: "none",
    isAckObserved: false,
    isAcked: false,
    isConverged: false,
    gate: "none",
    isHeld: false,
    stop: undefined,
    postcopy: NO_POSTCOPY,
    isRecovering: false,
    reasons: {},
    bestBytesPerSecond: undefined,
    lastProgressMs: 0,
    end: undefined,
    isDetached: false,
  };
}
