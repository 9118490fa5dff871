import type { Logger } from "pino";

/**
 * Calls the function `sweep` now and at each interval, as a schedule does in the cloud. A failed call
 * is logged; the next one tries again.
 *
 * @returns ends the schedule and waits for a call under way
 */
export function scheduleSweep(
  sweep: (event: unknown) => Promise<unknown>,
  { intervalMs, log }: { intervalMs: number; log: Logger },
): () => Promise<void> {
  let isClosed = false;
  let running = Promise.resolve();
  const start = () => {
    running = running
      .then(async () => {
        if (!isClosed) await sweep({});
      })
      .catch((error: unknown) => {
        if (!isClosed) log.error({ err: error }, "a sweep failed");
      });
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
