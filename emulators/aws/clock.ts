/** A timer. Clearing it twice, or after it fired, does nothing. */
export type Timer = {
  clear(): void;
};

/** The time of the local services, so that a test can run a ten-minute workflow at once. */
export type Clock = {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Runs `callback` once, `delayMs` from now (at once if that is not positive). */
  setTimeout(callback: () => void, delayMs: number): Timer;
};

/**
 * Node clamps longer delays to 1 ms, so longer ones are cut here and the caller checks the time
 * again.
 */
export const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

/**
 * The machine's clock at the start of the process, and monotonic since: changes of the machine's
 * date do not affect waits. It stops while the machine is suspended.
 */
export const systemClock: Clock = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  setTimeout: (callback, delayMs) => {
    const handle = setTimeout(callback, Math.min(Math.max(0, delayMs), TIMER_DELAY_MS_MAX));
    return { clear: () => clearTimeout(handle) };
  },
};

type PendingTimer = {
  readonly dueAt: number;
  readonly order: number;
  readonly callback: () => void;
};

/**
 * A clock that only moves by `advance`. Timers fire in the order they are due; between two of them
 * the event loop is turned, so that work begun by the first can set timers of its own before time
 * passes. Work that waits for I/O (a request over a socket) may need more turns: await its effect,
 * then advance again.
 */
export class ManualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Set<PendingTimer>();

  constructor(startMs = Date.UTC(2030, 0, 1)) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    this.#order += 1;
    const timer = { dueAt: this.#now + Math.max(0, delayMs), order: this.#order, callback };
    this.#timers.add(timer);
    return { clear: () => this.#timers.delete(timer) };
  }

  /** Timers not yet fired. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Advances by `durationMs` and fires the timers that are due on the way. */
  async advance(durationMs: number): Promise<void> {
    const end = this.#now + durationMs;
    await turnEventLoop();
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.dueAt);
      due.callback();
      await turnEventLoop();
    }
    this.#now = end;
  }

  #next(end: number): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt > end) continue;
      if (next && (timer.dueAt - next.dueAt || timer.order - next.order) > 0) continue;
      next = timer;
    }
    return next;
  }
}

const TURNS = 20;

async function turnEventLoop(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
