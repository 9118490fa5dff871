import type { QmpCounters } from "./counters.ts";
import { QmpDisconnectedError, type QmpError, QmpTimeoutError } from "./error.ts";
import type { QmpEvent } from "./events.ts";

/** May be async. An error or rejection goes to `onListenerError`; other listeners still run. */
export type QmpEventListener<Name extends string = string> = (
  event: QmpEvent<Name>,
) => void | Promise<void>;

export type WaitForOptions = {
  /** How long to wait, in milliseconds. No default: an event has no natural deadline. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
};

type Listener = (event: QmpEvent) => void | Promise<void>;

/** Delivers events to listeners in order: one event to all of them before the next. */
export class EventHub {
  readonly #counters: QmpCounters;
  readonly #onListenerError: (error: unknown, event: QmpEvent) => void;
  // One record per subscription, so that the same function may subscribe twice.
  readonly #subscriptions = new Set<{ readonly name: string; readonly listener: Listener }>();
  readonly #waiters = new Set<(error: QmpError) => void>();
  #ended: QmpError | "closed" | undefined;

  constructor(
    counters: QmpCounters,
    onListenerError: (error: unknown, event: QmpEvent) => void = warn,
  ) {
    this.#counters = counters;
    this.#onListenerError = onListenerError;
  }

  on<Name extends string>(name: Name, listener: QmpEventListener<Name>): () => void {
    const subscription = { name, listener: listener as Listener };
    this.#subscriptions.add(subscription);
    return () => void this.#subscriptions.delete(subscription);
  }

  deliver(event: QmpEvent): void {
    this.#counters.eventsDelivered += 1;
    // A copy: a listener added in this loop starts with the next event, a removed one is skipped.
    for (const subscription of [...this.#subscriptions]) {
      if (subscription.name !== "*" && subscription.name !== event.name) continue;
      if (this.#subscriptions.has(subscription)) this.#call(subscription.listener, event);
    }
  }

  waitFor(predicate: (event: QmpEvent) => boolean, options: WaitForOptions): Promise<QmpEvent> {
    const { timeoutMs, signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<QmpEvent>();
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#ended !== undefined) return Promise.reject(waitCutOff(this.#ended));
    const unsubscribe = this.on("*", (event) => {
      try {
        if (predicate(event)) resolve(event);
      } catch (error) {
        reject(error);
      }
    });
    const onAbort = () => reject(signal?.reason);
    const timer = setTimeout(() => {
      // After one more turn of the event loop: an event that is already in the socket is in time.
      setImmediate(() => reject(new QmpTimeoutError("waitFor", timeoutMs, false)));
    }, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiters.add(reject);
    return promise.finally(() => {
      unsubscribe();
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#waiters.delete(reject);
    });
  }

  /** Ends every wait; no listener is called from here on. */
  end(cause: QmpError | undefined): void {
    this.#ended = cause ?? "closed";
    this.#subscriptions.clear();
    for (const reject of this.#waiters) reject(waitCutOff(this.#ended));
  }

  #call(listener: Listener, event: QmpEvent): void {
    const onError = (error: unknown) => {
      this.#counters.listenerErrors += 1;
      this.#onListenerError(error, event);
    };
    try {
      Promise.resolve(listener(event)).catch(onError);
    } catch (error) {
      onError(error);
    }
  }
}

function waitCutOff(ended: QmpError | "closed"): QmpDisconnectedError {
  const options = ended === "closed" ? {} : { cause: ended };
  return new QmpDisconnectedError("The QMP session ended before the awaited event", options);
}

function warn(error: unknown, event: QmpEvent): void {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`A listener of QMP event ${event.name} failed: ${reason}`, "QmpWarning");
}
