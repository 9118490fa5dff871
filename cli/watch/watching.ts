import { setTimeout as sleep } from "node:timers/promises";
import type { ExitName } from "../exit/exit-codes.ts";
import { isConnectionFailure } from "../exit/exit-of.ts";
import type { Session } from "../session.ts";

const INTERRUPTED = Symbol("interrupted");

/** How long the control plane may be silent before watching ends. */
const SILENT_MS_MAX = 60_000;

export type Watching = {
  /** Shows progress; otherwise it is only waited for. */
  readonly shows: boolean;
  readonly timeoutMs?: number | undefined;
};

export type Watched<T> = {
  readonly read: () => Promise<T>;
  /** True: it has ended. */
  readonly onRead: (value: T) => boolean;
  readonly everyMs: number;
  readonly timeoutMs?: number | undefined;
  readonly interrupted: AbortSignal;
};

/** What is watched, at its end; or why watching has stopped before. */
export type Watch<T> = { readonly ended: T } | { readonly stopped: "ongoing" | "interrupted" };

/**
 * Reads something again and again until it has ended.
 *
 * @throws whatever `read` throws; a failed connection only after a minute of silence
 */
export async function watch<T>(session: Session, watched: Watched<T>): Promise<Watch<T>> {
  const { read, onRead, everyMs, timeoutMs, interrupted } = watched;
  const startedMs = Date.now();
  let heardMs = startedMs;
  const stop = new Promise<typeof INTERRUPTED>((resolve) => {
    interrupted.addEventListener("abort", () => resolve(INTERRUPTED), { once: true });
  });
  for (;;) {
    try {
      // A control plane that does not answer holds nobody up who wants to leave.
      const value = await Promise.race([read(), stop]);
      if (value === INTERRUPTED) return { stopped: "interrupted" };
      heardMs = Date.now();
      if (onRead(value)) return { ended: value };
    } catch (error) {
      if (!isConnectionFailure(error) || Date.now() - heardMs >= SILENT_MS_MAX) throw error;
      if (session.verbose) session.output.note("The control plane did not answer; asking again");
    }
    if (timeoutMs !== undefined && Date.now() - startedMs >= timeoutMs) {
      return { stopped: "ongoing" };
    }
    await sleep(everyMs, undefined, { signal: interrupted }).catch(() => undefined);
    if (interrupted.aborted) return { stopped: "interrupted" };
  }
}

/** Gives `work` a signal of Ctrl-C, which ends the watching and nothing else. */
export async function untilInterrupted(
  work: (interrupted: AbortSignal) => Promise<ExitName>,
): Promise<ExitName> {
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  // Not `once`: what restores the cursor ends the process when nobody else listens.
  process.on("SIGINT", onInterrupt);
  try {
    return await work(interrupt.signal);
  } finally {
    process.removeListener("SIGINT", onInterrupt);
  }
}
