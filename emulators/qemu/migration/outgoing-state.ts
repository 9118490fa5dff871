import type { RunState } from "../catalog/run-states.ts";
import type { MigrationStatus } from "../catalog/statuses.ts";
import type { Outlet } from "../stream/endpoint.ts";
import type { Address } from "../stream/network.ts";

/** The source side of migration. */
export type Outgoing = {
  status: MigrationStatus;
  errorDesc: string | undefined;
  /** The last migration, while it runs and afterwards. */
  attempt: Attempt | undefined;
  /** Functions that close the connections of the running migration. */
  readonly closers: Set<() => void>;
  /** As `closers`, before the end of their TLS handshake: `yank` does not know them yet. */
  readonly handshakes: Set<() => void>;
};

/** One migration. Times are milliseconds of the clock. */
export type Attempt = {
  readonly startedMs: number;
  address: Address;
  setupMs: number | undefined;
  endedMs: number | undefined;
  /** The guest was running, or slept live, at the moment of the switchover. */
  wasRunning: boolean;
  /** The run state from which it was stopped. */
  stoppedState: RunState | undefined;
  /** When the guest stopped. */
  stoppedMs: number | undefined;
  downtimeMs: number | undefined;
  main: Outlet | undefined;
  multifd: Outlet[];
  /** Why the stream is broken: the next step of the migration fails with it. */
  brokenBy: string | undefined;
  /** The end of the stream was sent: nothing is written any more. */
  isSent: boolean;
  isCancelled: boolean;
  isContinued: boolean;
  isPostcopyRequested: boolean;
  /** The target runs, or is about to: this guest must never run again. */
  isPostcopy: boolean;
  isResumed: boolean;
  /** The target has reported that it has everything; false: that it failed. */
  shut: boolean | undefined;
  /** Legacy ACK: it has arrived. */
  isAcked: boolean;
  /** New ACK: devices that still need one. */
  ackPending: number;
  isResumeAcked: boolean;
  pongs: number;
  readonly bitmaps: readonly string[];
  readonly rate: Rate;
  readonly statistics: Statistics;
};

/** Amounts and rates of sending, and what is derived from them. */
export type Rate = {
  /** When the link will have sent everything. */
  linkFreeMs: number;
  /** How late the sender was last; 0 when it did not wait for the link. */
  lateMs: number;
  /** The current period of 100 ms of the rate limit. */
  limitStartMs: number;
  limitBytes: number;
  /** The current period of 100 ms of the bandwidth measurement. */
  measureStartMs: number;
  measureBytes: number;
  measuredBytesPerSecond: number;
  thresholdBytes: number;
  expectedDowntimeMs: number;
  mbps: number;
  pagesPerSecond: number;
  measurePages: number;
  /** Since when the dirty log is read repeatedly with almost nothing to send. */
  idleSinceMs: number | undefined;
  /** Bytes sent since then. */
  idleBytes: number;
};

export type Statistics = {
  transferredBytes: number;
  precopyBytes: number;
  downtimeBytes: number;
  postcopyBytes: number;
  multifdBytes: number;
  vfioBytes: number;
  normalPages: number;
  zeroPages: number;
  syncs: number;
  dirtyPagesPerSecond: number;
  syncedMs: number;
  /** Pending at the last reading of the dirty log. */
  pendingAtSyncBytes: number;
  postcopyRequests: number;
  throttlePercent: number;
  syncsOverThreshold: number;
  /** Bytes that the guest wrote since the last evaluation, over all passes. */
  dirtiedBytes: number;
  bytesAtSync: number;
};

export function createOutgoing(): Outgoing {
  return {
    status: "none",
    errorDesc: undefined,
    attempt: undefined,
    closers: new Set(),
    handshakes: new Set(),
  };
}

export function createAttempt(
  nowMs: number,
  address: Address,
  bitmaps: readonly string[],
  downtimeLimitMs: number,
): Attempt {
  return {
    startedMs: nowMs,
    address,
    setupMs: undefined,
    endedMs: undefined,
    wasRunning: false,
    stoppedState: undefined,
    stoppedMs: undefined,
    downtimeMs: undefined,
    main: undefined,
    multifd: [],
    brokenBy: undefined,
    isSent: false,
    isCancelled: false,
    isContinued: false,
    isPostcopyRequested: false,
    isPostcopy: false,
    isResumed: false,
    shut: undefined,
    isAcked: false,
    ackPending: 0,
    isResumeAcked: false,
    pongs: 0,
    bitmaps,
    rate: {
      linkFreeMs: nowMs,
      lateMs: 0,
      limitStartMs: nowMs,
      limitBytes: 0,
      measureStartMs: nowMs,
      measureBytes: 0,
      measuredBytesPerSecond: 0,
      thresholdBytes: 0,
      expectedDowntimeMs: downtimeLimitMs,
      mbps: 0,
      pagesPerSecond: 0,
      measurePages: 0,
      idleSinceMs: undefined,
      idleBytes: 0,
    },
    statistics: {
      transferredBytes: 0,
      precopyBytes: 0,
      downtimeBytes: 0,
      postcopyBytes: 0,
      multifdBytes: 0,
      vfioBytes: 0,
      normalPages: 0,
      zeroPages: 0,
      syncs: 0,
      dirtyPagesPerSecond: 0,
      syncedMs: nowMs,
      pendingAtSyncBytes: 0,
      postcopyRequests: 0,
      throttlePercent: 0,
      syncsOverThreshold: 0,
      dirtiedBytes: 0,
      bytesAtSync: 0,
    },
  };
}
