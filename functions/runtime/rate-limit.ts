import { BURST_SECONDS } from "./request-rates.ts";

/** Principals that are remembered; of more, the one that has called least lately is forgotten. */
const PRINCIPALS_MAX = 10_000;

type Bucket = { tokens: number; atMs: number };

/**
 * A token bucket for each principal, in this process: nothing is written for a request. Of a function
 * on AWS each instance has its own (ADR 51).
 */
export class RateLimit {
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param now milliseconds that never go back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Counts a request.
   *
   * @returns undefined: it may pass; otherwise in how many seconds the next one may
   */
  take(principal: string, perSecond: number): number | undefined {
    const now = this.#now();
    const full = perSecond * BURST_SECONDS;
    const { tokens, atMs } = this.#buckets.get(principal) ?? { tokens: full, atMs: now };
    const left = Math.min(full, tokens + ((now - atMs) / 1_000) * perSecond);
    const isRefused = left < 1;
    this.#put(principal, { tokens: isRefused ? left : left - 1, atMs: now });
    return isRefused ? Math.ceil((1 - left) / perSecond) : undefined;
  }

  #put(principal: string, bucket: Bucket): void {
    this.#buckets.delete(principal);
    this.#buckets.set(principal, bucket);
    if (this.#buckets.size <= PRINCIPALS_MAX) return;
    const [oldest = ""] = this.#buckets.keys();
    this.#buckets.delete(oldest);
  }
}
