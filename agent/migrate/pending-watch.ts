import type { Guest } from "../guest/guest.ts";
import type { Log } from "../runtime/log.ts";
import { type AckSeen, AckWatch, endOfLog, lineTimeMs } from "./ack-watch.ts";

/** All that have to do with the ACK; a pattern, as each version of QEMU has other ones. */
const TRACES = "loadvm_*switchover*";
const TELL_AFTER_MS = 500;
const LINE = /loadvm_\w*switchover\w* .*pending num=(\d+)/;

/** Has the target's QEMU log how many devices its ACK waits for. The count is for people only. */
export async function tracePending({ qmp }: Guest, log: Log): Promise<void> {
  try {
    await qmp.execute("trace-event-set-state", { name: TRACES, enable: true });
  } catch (error) {
    log.warn({ error }, "the devices that the ACK waits for cannot be counted");
  }
}

/**
 * Tells what is logged from now on: the target's own count of devices that still load what they need
 * before the switchover (the legacy ACK). It can be read while a device loads and QMP is silent. Told
 * a moment later: the last one is loaded when the downtime begins, which belongs to QEMU.
 */
export class PendingWatch {
  readonly #tell: (seen: AckSeen) => void;
  readonly #watch: AckWatch | undefined;
  #seen: AckSeen[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor({ logPath }: Pick<Guest, "logPath">, log: Log, tell: (seen: AckSeen) => void) {
    this.#tell = tell;
    try {
      const onSeen = (seen: AckSeen) => this.#onSeen(seen);
      this.#watch = new AckWatch(logPath, endOfLog(logPath), onSeen, parsePending);
    } catch (error) {
      log.warn({ error }, "QEMU's log cannot be followed");
    }
  }

  /** Tells at once what has been seen. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const seen of this.#seen.splice(0)) this.#tell(seen);
  }

  close(): void {
    this.#watch?.close();
    this.flush();
  }

  #onSeen(seen: AckSeen): void {
    this.#seen.push(seen);
    this.#timer ??= setTimeout(() => this.flush(), TELL_AFTER_MS);
  }
}

export function parsePending(line: string): AckSeen | undefined {
  const match = LINE.exec(line);
  return match ? { pending: Number(match[1]), atMs: lineTimeMs(line) } : undefined;
}
