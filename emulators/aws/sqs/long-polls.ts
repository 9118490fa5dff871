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
  /** Takes what is available; repeated at each wake-up until it returns something. */
  attempt: () => T[];
  waitMs: number;
  /** Aborted when the client disconnects, so that it is given no message. */
  signal: AbortSignal;
};

// A test may move `now`, or run it faster, so hidden messages are checked at least every second.
const RECHECK_MS_MAX = 1_000;

export type LongPolls = ReturnType<typeof createLongPolls>;

/** Receivers that wait for a message, in order of arrival. */
export function createLongPolls({ nextVisibleMs, now }: LongPollsOptions) {
  const queues = new Map<number, Set<Waiter>>();
  const timers = new Map<number, NodeJS.Timeout>();

  /**
   * Lets the queue's waiting receivers try again; to be called whenever a message became visible.
   */
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

    /** @returns what `attempt` found, or nothing after `waitMs` or when `signal` is aborted. */
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

    /** Fails all waiting receivers of a queue that was deleted. */
    fail(queueId: number, error: Error): void {
      for (const waiter of Array.from(queues.get(queueId) ?? [])) waiter.fail(error);
    },
  };
}

/** @returns whether the waiter is done. */
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
