import type { Clock, Timer } from "../../../emulators/aws/clock.ts";

type Pending = { dueAtMs: number; order: number; callback: () => void };

/** A clock that stands still until it is told to skip to the next timer, however far away that is. */
export class SkippingClock implements Clock {
  #nowMs = Date.now();
  #order = 0;
  readonly #timers = new Set<Pending>();

  now(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    this.#order += 1;
    const timer = { dueAtMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, callback };
    this.#timers.add(timer);
    return { clear: () => this.#timers.delete(timer) };
  }

  /** When the next timer is due. */
  get nextDueMs(): number | undefined {
    return this.#next()?.dueAtMs;
  }

  /** No timer may be due before. */
  moveTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }

  #next(): Pending | undefined {
    return [...this.#timers].sort((a, b) => a.dueAtMs - b.dueAtMs || a.order - b.order).at(0);
  }

  /** Fires the timer that is due next. */
  skip(): void {
    const next = this.#next();
    if (next === undefined) return;
    this.#timers.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.dueAtMs);
    next.callback();
  }
}
