/**
 * A monotonic clock that stands still while this process does not run: it was stopped (SIGSTOP), or
 * its machine was suspended or too busy. For watches of somebody else's silence: whoever did not run
 * heard nobody, and finds the answers only after its timers.
 */
export class AwakeClock {
  readonly #tickLimitMs: number;
  #tickedAtMs = performance.now();
  #elapsedMs = 0;

  /** `intervalMs`: how often `tick` will be called. A tick counts for half as much again at most. */
  constructor(intervalMs: number) {
    this.#tickLimitMs = 1.5 * intervalMs;
  }

  /** Time since the clock was made for which this process ran, ms. It never decreases. */
  get nowMs(): number {
    const sinceTickMs = performance.now() - this.#tickedAtMs;
    return this.#elapsedMs + Math.min(sinceTickMs, this.#tickLimitMs);
  }

  /** To be called at each interval. */
  tick(): void {
    this.#elapsedMs = this.nowMs;
    this.#tickedAtMs = performance.now();
  }
}
