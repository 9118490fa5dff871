import type { Logger } from "pino";

/**
 * Calls a function now and at each interval, as a schedule does in the cloud. A call that takes longer
 * holds up the next one. A failed call is logged; the next one tries again.
 *
 * @param input of each call (default: an empty object)
 *
 * @returns ends the schedule and waits for a call under way
 */
export function scheduleCalls(
  call: (event: unknown) => Promise<unknown>,
  { intervalMs, log, input = {} }: { intervalMs: number; log: Logger; input?: object },
): () => Promise<void> {
  let isClosed = false;
  let running: Promise<void> | undefined;
  const start = () => {
    running ??= runOnce();
  };
  const runOnce = async () => {
    try {
      if (!isClosed) await call(input);
    } catch (error) {
      if (!isClosed) log.error({ err: error }, "a scheduled function failed");
    }
    running = undefined;
  };
  start();
  const timer = setInterval(start, intervalMs);
  timer.unref();
  return async () => {
    isClosed = true;
    clearInterval(timer);
    await running;
  };
}
