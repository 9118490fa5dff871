import type { Move } from "../../core/plan/move.ts";
import { PASSES_MAX } from "../../core/plan/predict.ts";
import type { Stream } from "./links.ts";
import type { Truth } from "./truth.ts";

/** How a guest is expected to write. */
type Guess = Pick<Truth, "dirtyBytesPerSecond" | "workingSetBytes">;

/** A migration in flight: iterative precopy over a link whose rate changes, in a fluid. */
export class Transfer implements Stream {
  readonly move: Move;
  readonly truth: Truth;
  readonly source: number;
  readonly target: number;
  readonly cap: number;
  readonly startedAt: number;
  rate = 0;
  sentBytes = 0;
  passes = 0;
  /** Of the pass that runs, bytes. */
  left: number;
  #passStartedAt: number;
  #stoppedAt: number | undefined;

  constructor(move: Move, truth: Truth, run: { cap: number; now: number }) {
    this.move = move;
    this.truth = truth;
    this.source = move.source;
    this.target = move.target;
    this.cap = run.cap;
    this.startedAt = run.now;
    this.left = truth.memoryBytes + truth.diskBytes;
    this.#passStartedAt = run.now;
    // As in the prediction: what fits the downtime limit at once is sent with the guest stopped.
    const fitting = (run.cap * move.guest.downtimeLimitMs) / 1000;
    this.#stoppedAt = this.left <= fitting ? run.now : undefined;
  }

  /** The guest has been stopped: this pass is the last. */
  get isStopped(): boolean {
    return this.#stoppedAt !== undefined;
  }

  /** When the pass that runs ends at the present rate, ms. */
  passEndsAt(now: number): number {
    return this.left === 0 ? now : now + (this.left / this.rate) * 1000;
  }

  advance(ms: number): void {
    const bytes = Math.min(this.left, (this.rate * ms) / 1000);
    this.left -= bytes;
    this.sentBytes += bytes;
  }

  /** The pass has ended: the next begins; true: that was the last one. */
  nextPass(now: number): boolean {
    if (this.isStopped) return true;
    const { dirtyBytesPerSecond, workingSetBytes } = this.truth;
    const ms = now - this.#passStartedAt;
    const fitting = (this.rate * this.move.guest.downtimeLimitMs) / 1000;
    this.left = Math.min((dirtyBytesPerSecond * ms) / 1000, workingSetBytes);
    this.passes += 1;
    this.#passStartedAt = now;
    if (this.left <= fitting || this.passes >= PASSES_MAX) this.#stoppedAt = now;
    return false;
  }

  /**
   * Bytes and time until its last byte at its highest rate. What is left of a pass is known; how much
   * the guest writes is known after the first pass, and until then what was predicted.
   */
  remaining(now: number, predicted?: Guess): { bytes: number; ms: number } {
    const guess = this.passes > 0 ? undefined : predicted;
    const { dirtyBytesPerSecond, workingSetBytes } = guess ?? this.truth;
    const fitting = (this.cap * this.move.guest.downtimeLimitMs) / 1000;
    const firstMs = (this.left / this.cap) * 1000;
    let bytes = this.left;
    if (this.isStopped) return { bytes, ms: firstMs };
    const passMs = now - this.#passStartedAt + firstMs;
    let left = Math.min((dirtyBytesPerSecond * passMs) / 1000, workingSetBytes);
    bytes += left;
    for (let pass = this.passes + 1; left > fitting && pass < PASSES_MAX; pass += 1) {
      left = Math.min((dirtyBytesPerSecond * left) / this.cap, workingSetBytes);
      bytes += left;
    }
    return { bytes, ms: (bytes / this.cap) * 1000 };
  }

  /** Without the load time, ms. */
  stoppedFor(now: number): number {
    return this.#stoppedAt === undefined ? 0 : now - this.#stoppedAt;
  }
}
