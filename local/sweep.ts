import type { Logger } from "pino";

/** Pages of one sweep: the next sweep continues where it stopped. */
const PAGES_MAX = 10;

type Sweep = (event: unknown) => Promise<unknown>;

/**
 * Calls the function `sweep` now and at each interval, as a schedule does in the cloud. A failed call
 * is logged; the next one tries again.
 *
 * @returns ends the schedule and waits for a call under way
 */
export function scheduleSweep(
  sweep: Sweep,
  { intervalMs, log }: { intervalMs: number; log: Logger },
): () => Promise<void> {
  let isClosed = false;
  let after: unknown;
  let running = Promise.resolve();
  const run = async () => {
    for (let page = 0; page < PAGES_MAX && !isClosed; page += 1) {
      const { next } = (await sweep(after === undefined ? {} : { after })) as { next?: unknown };
      after = next;
      if (after === undefined) return;
    }
  };
  const start = () => {
    running = running.then(run).catch((error: unknown) => {
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
