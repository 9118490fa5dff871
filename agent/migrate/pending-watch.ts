import type { Guest } from "../guest/guest.ts";
import type { Log } from "../log.ts";
import { type AckSeen, AckWatch, endOfLog, lineTimeMs } from "./ack-watch.ts";

/** All that have to do with the ACK; a pattern, as each version of QEMU has other ones. */
const TRACES = "loadvm_*switchover*";
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
 * before the switchover (the legacy ACK). It can be read while a device loads and QMP is silent.
 */
export function watchPending(
  { logPath }: Guest,
  log: Log,
  onPending: (seen: AckSeen) => void,
): AckWatch | undefined {
  try {
    return new AckWatch(logPath, endOfLog(logPath), onPending, parsePending);
  } catch (error) {
    log.warn({ error }, "QEMU's log cannot be followed");
    return undefined;
  }
}

export function parsePending(line: string): AckSeen | undefined {
  const match = LINE.exec(line);
  return match ? { pending: Number(match[1]), atMs: lineTimeMs(line) } : undefined;
}
