import { setTimeout as delay } from "node:timers/promises";
import type { QmpClient } from "../../../qmp/client.ts";
import { CommandRefusedError } from "../../command/command-error.ts";

/** A new connection, and both sides agreeing on what is missing, take milliseconds. */
const RECOVER_MS = 20_000;
const POLL_MS = 100;
/** Up to QEMU 10.2 the status stays `postcopy-paused`, or comes back to it, for a moment. */
const PAUSED_MS_MAX = 3_000;

/**
 * Continues a source's broken postcopy over a new connection. In postcopy the guest runs on the
 * target while the source holds the rest of its memory: neither side alone has the whole guest, so
 * nothing is cancelled or resumed until a new connection has joined the two.
 *
 * @param uri where the target listens now; null when it reports that nothing is broken
 * @returns `postcopy-active` or `completed`
 * @throws QmpError; CommandRefusedError when the sides do not connect within 20 s
 */
export async function recoverPostcopy(qmp: QmpClient, uri: string | null): Promise<string> {
  const { status = "none" } = await qmp.execute("query-migrate");
  if (status === "postcopy-active" || status === "completed") return status;
  if (status !== "postcopy-paused" || uri === null) {
    throw new CommandRefusedError("refused", `There is nothing to recover here (${status})`);
  }
  await qmp.execute("migrate", { uri, resume: true });
  return await waitUntilActive(qmp);
}

async function waitUntilActive(qmp: QmpClient): Promise<string> {
  const startedAt = performance.now();
  for (;;) {
    const { status = "none", ...info } = await qmp.execute("query-migrate");
    if (status === "postcopy-active" || status === "completed") return status;
    const forMs = performance.now() - startedAt;
    const isPausedAgain = status === "postcopy-paused" && forMs > PAUSED_MS_MAX;
    if (isPausedAgain || forMs > RECOVER_MS) {
      const why = info["error-desc"] ?? `the source remains ${status}`;
      throw new CommandRefusedError("timeout", `The two sides do not connect: ${why}`);
    }
    await delay(POLL_MS);
  }
}
