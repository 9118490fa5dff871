import type { QmpEventListener } from "./event-hub.ts";
import type { QmpEvent } from "./events.ts";

/** connecting -> running -> closing -> closed; from connecting also directly to closing. */
export type QmpState = "connecting" | "running" | "closing" | "closed";

export type QmpConnectOptions = {
  /** Until connected, greeted and negotiated, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** For each call that names no `timeoutMs`, in milliseconds. Default 10,000. */
  readonly defaultTimeoutMs?: number;
  /** Keep trying until `connectTimeoutMs` while the socket is absent or refuses. Default true. */
  readonly retry?: boolean;
  /** Negotiate out-of-band execution if QEMU offers it. Default true. */
  readonly oob?: boolean;
  /** Ends the attempt to connect, not the session. */
  readonly signal?: AbortSignal;
  /** Receives every event, as `on("*")` does, but from the first one on. */
  readonly onEvent?: QmpEventListener;
  /** Called with each new state, from `connecting` on. */
  readonly onState?: (state: QmpState) => void;
  /** Receives what listeners throw or reject with. Default: a process warning. */
  readonly onListenerError?: (error: unknown, event: QmpEvent) => void;
  /** Least time between two deliveries of MIGRATION_PASS, in milliseconds. Default 100. */
  readonly passIntervalMs?: number;
  /** In-band commands in flight, 1..7: at 8 QEMU stops reading, also out-of-band. Default 7. */
  readonly inFlightMax?: number;
  /** Calls that may wait to be sent; more throw QmpBusyError. Default 1,000. */
  readonly waitingMax?: number;
  /** Longest line accepted, in bytes. Default 64 MiB. */
  readonly lineBytesMax?: number;
};

export type ExecuteOptions = {
  /** From call to answer, queueing included, in milliseconds. Default: `defaultTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Rejects the call with the signal's reason; a command already sent is not taken back. */
  readonly signal?: AbortSignal;
  /**
   * Run out-of-band, before all calls that wait. Default, if negotiated: true for the commands that
   * QEMU allows it for (yank, query-yank, migrate-pause, migrate-recover).
   */
  readonly oob?: boolean;
};
