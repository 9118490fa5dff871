import type { ServiceLogger } from "../aws-json/answer.ts";
import type { Clock, Timer } from "../clock.ts";
import { instantOf, retriesOf } from "./input.ts";
import type { Schedule, Schedules } from "./schedules.ts";

/** Calls a function by its ARN; rejects when it could not be called. */
export type Invoke = (arn: string, event: unknown, signal: AbortSignal) => Promise<unknown>;

type DeliveryOptions = {
  readonly schedules: Schedules;
  readonly clock: Clock;
  readonly invoke: Invoke;
  readonly logger?: ServiceLogger | undefined;
};

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;

/**
 * Delivers schedules when they are due, each at least once: it is removed after its delivery. One that
 * was due while nobody ran is delivered late.
 */
export class Deliveries {
  readonly #options: DeliveryOptions;
  readonly #gone = new AbortController();
  readonly #underWay = new Map<number, Promise<void>>();
  #timer: Timer | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** To be called at the start, and after each change. */
  arm(): void {
    this.#timer?.clear();
    if (this.#gone.signal.aborted) return;
    const { schedules, clock } = this.#options;
    for (const one of schedules.due()) this.#begin(one);
    const waiting = schedules.nextDueMs();
    // What is under way is due, too; its end arms the timer.
    if (waiting === undefined || waiting <= clock.now()) return;
    this.#timer = clock.setTimeout(() => this.arm(), waiting - clock.now());
  }

  async close(): Promise<void> {
    this.#timer?.clear();
    this.#gone.abort();
    await Promise.all(this.#underWay.values());
  }

  #begin(one: Schedule): void {
    if (this.#underWay.has(one.id)) return;
    const done = this.#deliver(one).finally(() => {
      this.#underWay.delete(one.id);
      this.arm();
    });
    this.#underWay.set(one.id, done);
  }

  async #deliver(one: Schedule): Promise<void> {
    const { schedules, clock, invoke, logger } = this.#options;
    const { Target, ScheduleExpression } = one.input;
    try {
      await invoke(Target.Arn, JSON.parse(Target.Input ?? "{}"), this.#gone.signal);
      schedules.remove(one);
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      const { ageMs, attempts } = retriesOf(one.input);
      const afterMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** one.attempts);
      const ageAtRetryMs = clock.now() + afterMs - instantOf(ScheduleExpression);
      logger?.error({ err: error, schedule: one.name }, "a schedule could not be delivered");
      if (one.attempts >= attempts || ageAtRetryMs > ageMs) schedules.remove(one);
      else schedules.retry(one, clock.now() + afterMs);
    }
  }
}
