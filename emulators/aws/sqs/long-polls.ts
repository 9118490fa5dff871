type Waiter = {
  attempt: () => object[];
  settle: (found: object[]) => void;
  fail: (error: Error) => void;
};

type LongPollsOptions = {
  /** When the next hidden message of a queue becomes visible, in milliseconds since 1970. */
  nextVisibleMs: (queueId: number) => number | undefined;
  now: () => number;
};

type Wait<T> = {
  queueId: number;
  /** Takes what there is; run again at each wake-up until it returns something. */
  attempt: () => T[];
  waitMs: number;
  /** Aborted when nobody waits any more, so that no message goes to a client that has left. */
  signal: AbortSignal;
};

// `now` may be a clock that a test moves or that runs faster, so a hidden message is looked for
// again after a second at the latest.
const RECHECK_MS_MAX = 1_000;

export type LongPolls = ReturnType<typeof createLongPolls>;

/** Receivers that wait for a message, in the order in which they came. */
export function createLongPolls({ nextVisibleMs, now }: LongPollsOptions) {
  const queues = new Map<number, Set<Waiter>>();
  const timers = new Map<number, NodeJS.Timeout>();

  /** Lets those who wait on a queue try again; to be called whenever a message became visible. */
  function wake(queueId: number): void {
    for (const waiter of Array.from(queues.get(queueId) ?? [])) {
      if (!serve(waiter)) break;
    }
    schedule(queueId);
  }

  function schedule(queueId: number): void {
    clearTimeout(timers.get(queueId));
    timers.delete(queueId);
    if (!queues.has(queueId)) return;
    const next = nextVisibleMs(queueId);
    if (next === undefined) return;
    const pauseMs = Math.min(Math.max(next - now(), 1), RECHECK_MS_MAX);
    timers.set(
      queueId,
      setTimeout(() => wake(queueId), pauseMs),
    );
  }

  function add(queueId: number, waiter: Waiter): void {
    const waiters = queues.get(queueId) ?? new Set();
    queues.set(queueId, waiters.add(waiter));
    schedule(queueId);
  }

  function remove(queueId: number, waiter: Waiter): void {
    const waiters = queues.get(queueId);
    waiters?.delete(waiter);
    if (waiters?.size !== 0) return;
    queues.delete(queueId);
    schedule(queueId);
  }

  return {
    wake,

    /** @returns What `attempt` found, or nothing after `waitMs` or when `signal` is aborted. */
    wait<T extends object>({ queueId, attempt, waitMs, signal }: Wait<T>): Promise<T[]> {
      const found = attempt();
      if (found.length > 0 || waitMs === 0 || signal.aborted) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const stopWaiting = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", giveUp);
          remove(queueId, waiter);
        };
        const settle = (messages: object[]) => {
          stopWaiting();
          resolve(messages as T[]);
        };
        const fail = (error: Error) => {
          stopWaiting();
          reject(error);
        };
        const giveUp = () => settle([]);
        const waiter: Waiter = { attempt, settle, fail };
        const timer = setTimeout(giveUp, waitMs);
        signal.addEventListener("abort", giveUp, { once: true });
        add(queueId, waiter);
      });
    },

    /** Fails everybody who waits on a queue, because it is gone. */
    fail(queueId: number, error: Error): void {
      for (const waiter of Array.from(queues.get(queueId) ?? [])) waiter.fail(error);
    },
  };
}

/** @returns Whether the waiter is done. */
function serve(waiter: Waiter): boolean {
  try {
    const found = waiter.attempt();
    if (found.length > 0) waiter.settle(found);
    return found.length > 0;
  } catch (error) {
    waiter.fail(error as Error);
    return true;
  }
}
