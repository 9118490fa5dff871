import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";
import { type AckSeen, AckWatch, endOfLog, lineTimeMs } from "../ack-watch.ts";

/** All that concern the ACK; a pattern, since their names differ between versions of QEMU. */
const TRACES = "loadvm_*switchover*";
const REPORT_AFTER_MS = 500;
const LINE = /loadvm_\w*switchover\w* .*pending num=(\d+)/;

/** Makes the target's QEMU log how many devices its ACK waits for. The count is for people only. */
export async function tracePending({ qmp }: Guest, log: Log): Promise<void> {
  try {
    await qmp.execute("trace-event-set-state", { name: TRACES, enable: true });
  } catch (error) {
    log.warn({ error }, "the devices that the ACK waits for cannot be counted");
  }
}

/**
 * Reports what is logged from now on: the target's count of devices that still load what they need
 * before the switchover (the legacy ACK). It can be read while a device loads and QMP is silent. It is
 * reported a moment later: the last device has loaded when the downtime begins, in which QEMU alone
 * should use the CPU.
 */
export class PendingWatch {
  readonly #report: (seen: AckSeen) => void;
  readonly #watch: AckWatch | undefined;
  #seen: AckSeen[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor({ logPath }: Pick<Guest, "logPath">, log: Log, report: (seen: AckSeen) => void) {
    this.#report = report;
    try {
      const onSeen = (seen: AckSeen) => this.#onSeen(seen);
      this.#watch = new AckWatch(logPath, endOfLog(logPath), onSeen, parsePending);
    } catch (error) {
      log.warn({ error }, "QEMU's log cannot be followed");
    }
  }

  /** Reports at once what has been seen. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const seen of this.#seen.splice(0)) this.#report(seen);
  }

  close(): void {
    this.#watch?.close();
    this.flush();
  }

  #onSeen(seen: AckSeen): void {
    this.#seen.push(seen);
    this.#timer ??= setTimeout(() => this.flush(), REPORT_AFTER_MS);
  }
}

export function parsePending(line: string): AckSeen | undefined {
  const match = LINE.exec(line);
  return match ? { pending: Number(match[1]), atMs: lineTimeMs(line) } : undefined;
}
