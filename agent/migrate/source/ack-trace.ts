import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";
import { ACK_TRACE, endOfLog } from "../ack-watch.ts";

/**
 * Makes the source's QEMU log the switchover ACK. Returns the place in its log from which lines count,
 * or undefined when it cannot: then STOP implies the ACK, which is weaker evidence.
 */
export async function traceAck(guest: Guest, log: Log): Promise<number | undefined> {
  const { qmp, manifest, logPath } = guest;
  try {
    // An adopted QEMU logs to its owner's file, or to stderr.
    if (manifest.adopted) {
      await qmp.execute("human-monitor-command", { "command-line": `logfile ${logPath}` });
    }
    const offset = endOfLog(logPath);
    await qmp.execute("trace-event-set-state", { name: ACK_TRACE, enable: true });
    return offset;
  } catch (error) {
    log.warn({ error }, "the switchover ACK cannot be traced");
    return undefined;
  }
}
