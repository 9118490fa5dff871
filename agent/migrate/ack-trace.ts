import type { Guest } from "../guest/guest.ts";
import type { Log } from "../runtime/log.ts";
import { ACK_TRACE, endOfLog } from "./ack-watch.ts";

/**
 * Has the source's QEMU log the switchover ACK. Answers with the place in its log from which lines
 * count, or undefined when it cannot: the ACK is then implied by STOP, only the evidence is weaker.
 */
export async function traceAck(guest: Guest, log: Log): Promise<number | undefined> {
  const { qmp, manifest, logPath } = guest;
  try {
    // An adopted QEMU logs to where its owner said, or to stderr.
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
