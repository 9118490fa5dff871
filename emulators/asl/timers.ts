import type { Clock, Timer } from "../aws/clock.ts";

/** One timer for each key. */
export class Timers {
  readonly #clock: Clock;
  readonly #timers = new Map<number, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Calls `fire` at a time, in place of the key's earlier timer. It may be called too early if that
   * time is far away (see TIMER_DELAY_MS_MAX).
   */
  set(key: number, dueAt: number, fire: () => void): void {
    this.clear(key);
    const timer = this.#clock.setTimeout(() => {
      if (this.#timers.get(key) === timer) this.#timers.delete(key);
      fire();
    }, dueAt - this.#clock.now());
    this.#timers.set(key, timer);
  }

  clear(key: number): void {
    this.#timers.get(key)?.clear();
    this.#timers.delete(key);
  }

  clearAll(): void {
    for (const key of [...this.#timers.keys()]) this.clear(key);
  }
}
