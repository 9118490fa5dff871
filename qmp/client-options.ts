import type { QmpEventListener } from "./event-hub.ts";
import type { QmpEvent } from "./events.ts";

export interface QmpConnectOptions {
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
  /** Hears every event from the very first; the same as `on("*")`, but nothing can come before it. */
  readonly onEvent?: QmpEventListener;
  /** Gets what listeners throw or reject with. Default: a process warning. */
  readonly onListenerError?: (error: unknown, event: QmpEvent) => void;
  /** Least time between two deliveries of MIGRATION_PASS, in milliseconds. Default 100. */
  readonly passIntervalMs?: number;
  /** In-band commands in flight, 1..7: at 8 QEMU stops reading and out-of-band is lost. Default 7. */
  readonly inFlightMax?: number;
  /** Calls that may wait for their turn; more throw QmpBusyError. Default 1,000. */
  readonly waitingMax?: number;
  /** Longest line accepted, in bytes. Default 64 MiB. */
  readonly lineBytesMax?: number;
}

export interface ExecuteOptions {
  /** From call to answer, queueing included, in milliseconds. Default: `defaultTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Rejects the call with the signal's reason; a command already sent is not taken back. */
  readonly signal?: AbortSignal;
  /**
   * Run out-of-band, overtaking all that waits. Default: yes for the commands QEMU allows it for
   * (yank, query-yank, migrate-pause, migrate-recover), if negotiated.
   */
  readonly oob?: boolean;
}
