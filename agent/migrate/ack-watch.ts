import { closeSync, type FSWatcher, fstatSync, openSync, readSync, statSync, watch } from "node:fs";

/** The source's trace event for an ACK that arrived; 11.1 adds how many are still to come. */
export const ACK_TRACE = "source_return_path_thread_switchover_acked";

const LINE = new RegExp(`${ACK_TRACE}(?: switchover_ack_pending_num (\\d+))?`);
const READ_BYTES = 64 * 1024;

export type AckSeen = {
  /** ACKs still to come: 0 means go. */
  pending: number;
  /** QEMU's own time stamp of the line, ms since the epoch, when it has one. */
  atMs: number | undefined;
};

/**
 * Follows QEMU's log file for the switchover ACK, which QMP does not show in any version. Only what
 * is written after `offset` counts: an earlier migration's ACK is not this one's.
 */
export class AckWatch {
  readonly #onAck: (seen: AckSeen) => void;
  readonly #parse: (line: string) => AckSeen | undefined;
  readonly #descriptor: number;
  readonly #watcher: FSWatcher | undefined;
  readonly #buffer = Buffer.alloc(READ_BYTES);
  #offset: number;
  #rest = "";
  #closed = false;

  /** @throws the file system's error when the log cannot be opened. */
  constructor(
    path: string,
    offset: number,
    onAck: (seen: AckSeen) => void,
    parse: (line: string) => AckSeen | undefined = parseAck,
  ) {
    this.#onAck = onAck;
    this.#parse = parse;
    this.#offset = offset;
    // Created if QEMU has not written yet.
    this.#descriptor = openSync(path, "a+", 0o600);
    try {
      this.#watcher = watch(path, () => this.poll());
      this.#watcher.on("error", () => undefined);
    } catch {
      // This host has no inotify watch left: the regular calls of `poll` are enough.
    }
    this.poll();
  }

  /** Reads new lines; also called at STOP, so that a late file event does not matter. */
  poll(): void {
    // The file was truncated: its present contents are new.
    if (!this.#closed && fstatSync(this.#descriptor).size < this.#offset) this.#offset = 0;
    while (!this.#closed) {
      const count = readSync(this.#descriptor, this.#buffer, 0, READ_BYTES, this.#offset);
      if (count === 0) return;
      this.#offset += count;
      const lines = (this.#rest + this.#buffer.toString("latin1", 0, count)).split("\n");
      // A line longer than the buffer is not one of ours.
      this.#rest = (lines.pop() ?? "").slice(-READ_BYTES);
      for (const line of lines) this.#read(line);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watcher?.close();
    closeSync(this.#descriptor);
  }

  #read(line: string): void {
    const seen = this.#parse(line);
    if (seen && !this.#closed) this.#onAck(seen);
  }
}

/** Where the next line of a log begins; 0 for one that is not there yet. */
export function endOfLog(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** One line of QEMU's log, with the prefix of 7.2 to 10.x (`TID@seconds.usec:`) or 11.x (ISO). */
export function parseAck(line: string): AckSeen | undefined {
  const match = LINE.exec(line);
  if (!match) return undefined;
  return { pending: Number(match[1] ?? 0), atMs: lineTimeMs(line) };
}

/** QEMU's own time stamp of a line, ms since the epoch. */
export function lineTimeMs(line: string): number | undefined {
  const classic = /^\d+@(\d+)\.(\d{6}):/.exec(line);
  if (classic) return Number(classic[1]) * 1000 + Number(classic[2]) / 1000;
  const iso = /^\d{4}-\d\d-\d\dT\S+/.exec(line);
  const timeMs = iso ? Date.parse(iso[0]) : Number.NaN;
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
