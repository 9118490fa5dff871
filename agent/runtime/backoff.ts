import { setTimeout as sleep } from "node:timers/promises";

export type BackoffLimits = {
  /** The first pause and the shortest one, ms. */
  readonly firstMs: number;
  /** The longest pause, ms. */
  readonly maxMs: number;
};

/**
 * Pauses between attempts: random below a cap that doubles with each attempt (full jitter), so that
 * many hosts that lost the same service do not return to it at the same moments.
 */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: () => number;
  #capMs: number;

  /** `random` returns a number from 0 up to 1. */
  constructor(limits: BackoffLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
    this.#capMs = limits.firstMs;
  }

  /** The length of the next pause, ms. */
  next(): number {
    const { firstMs, maxMs } = this.#limits;
    const pauseMs = Math.max(firstMs, Math.round(this.#random() * this.#capMs));
    this.#capMs = Math.min(this.#capMs * 2, maxMs);
    return pauseMs;
  }

  /** After a success: the next pause is the first one again. */
  reset(): void {
    this.#capMs = this.#limits.firstMs;
  }
}

/** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
