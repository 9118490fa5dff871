import { QmpClient } from "../../qmp/client.ts";
import { QmpDisconnectedError, type QmpError } from "../../qmp/error.ts";
import type { QmpEventListener } from "../../qmp/event-hub.ts";
import type { QmpEventName } from "../../qmp/events.ts";
import type { QmpVersion } from "../../qmp/message.ts";
import { Backoff } from "../runtime/backoff.ts";
import { type ProcessIdentity, waitForEnd } from "../runtime/process.ts";

/** A process that ends has ended at most this long after its QMP session. */
const DYING_MS = 100;
const CONNECT_MS = 5_000;
/** Pauses stay short: an attempt at a silent QEMU lasts 5 s itself, and its answer is waited for. */
const RETRY = { firstMs: 100, maxMs: 500 };

type Subscription = { name: QmpEventName; listener: QmpEventListener; stop?: () => void };

/**
 * The QMP session with one process. A session that breaks is opened again as long as the process lives.
 * Subscriptions are kept; events that were missed in between must be replaced by queries.
 */
export class Monitor {
  /** Resolves when the process has ended; never after `close`. */
  readonly ended: Promise<void>;
  readonly #process: ProcessIdentity;
  readonly #path: string;
  readonly #subscriptions = new Set<Subscription>();
  readonly #onReconnect = new Set<() => void>();
  readonly #closing = new AbortController();
  readonly #end = Promise.withResolvers<void>();
  #qmp: QmpClient | undefined;

  /** Without a session it starts opening one. */
  constructor(target: ProcessIdentity & { qmpPath: string }, qmp: QmpClient | undefined) {
    this.ended = this.#end.promise;
    this.#process = target;
    this.#path = target.qmpPath;
    if (qmp) this.#use(qmp);
    else void this.#reconnect();
  }

  /** @throws QmpError when there is no session within 5 s: QEMU is busy, or serves another client */
  static async connect(target: ProcessIdentity & { qmpPath: string }): Promise<Monitor> {
    const address = { path: target.qmpPath };
    return new Monitor(target, await QmpClient.connect(address, { connectTimeoutMs: CONNECT_MS }));
  }

  /** The current session, or the last one. @throws QmpDisconnectedError when there was none yet */
  get qmp(): QmpClient {
    if (this.#qmp) return this.#qmp;
    throw new QmpDisconnectedError(
      `QEMU's monitor at ${this.#path} does not answer: it serves another client, or QEMU hangs`,
    );
  }

  /**
   * The open session, as soon as there is one. A QEMU that loads a device answers nobody meanwhile.
   *
   * @throws QmpDisconnectedError when there is none within `timeoutMs`, or the process ends or the
   *   monitor is closed before
   */
  async session(timeoutMs: number): Promise<QmpClient> {
    if (this.#isOpen(this.#qmp)) return this.#qmp;
    const waiting = Promise.withResolvers<void>();
    const given = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
    if (given.aborted) waiting.resolve();
    given.addEventListener("abort", () => waiting.resolve());
    const unsubscribe = this.onReconnect(waiting.resolve);
    await Promise.race([waiting.promise, this.ended]);
    unsubscribe();
    if (this.#isOpen(this.#qmp)) return this.#qmp;
    throw new QmpDisconnectedError(
      `QEMU's monitor at ${this.#path} has not answered within ${timeoutMs} ms, or QEMU has ended`,
    );
  }

  #isOpen(qmp: QmpClient | undefined): qmp is QmpClient {
    return qmp !== undefined && qmp.state !== "closed" && !this.#closing.signal.aborted;
  }

  /** Of the QEMU, as it said when the last session began; undefined before the first one. */
  get version(): QmpVersion | undefined {
    return this.#qmp?.version;
  }

  /** Subscribes in this session and all later ones. @returns a function that unsubscribes */
  on<Name extends QmpEventName>(name: Name, listener: QmpEventListener<Name>): () => void {
    const subscription: Subscription = { name, listener: listener as QmpEventListener };
    this.#subscriptions.add(subscription);
    if (this.#qmp) subscribe(this.#qmp, subscription);
    return () => {
      this.#subscriptions.delete(subscription);
      subscription.stop?.();
    };
  }

  /** Calls `listener` when a session was opened again: events may have been missed. */
  onReconnect(listener: () => void): () => void {
    this.#onReconnect.add(listener);
    return () => void this.#onReconnect.delete(listener);
  }

  /** Ends the session; the process goes on running. May be called again. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#onReconnect.clear();
    this.#subscriptions.clear();
    await this.#qmp?.close();
  }

  #use(qmp: QmpClient): void {
    this.#qmp = qmp;
    for (const subscription of this.#subscriptions) subscribe(qmp, subscription);
    void qmp.closed.then((cause) => this.#onLost(cause));
  }

  async #onLost(cause: QmpError | undefined): Promise<void> {
    if (cause === undefined || this.#closing.signal.aborted) return;
    // A process that ends closes its sockets a moment before.
    const { signal } = this.#closing;
    if (await waitForEnd(this.#process, DYING_MS, { signal })) this.#end.resolve();
    else await this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closing;
    const backoff = new Backoff(RETRY);
    while (!signal.aborted) {
      try {
        const options = { connectTimeoutMs: CONNECT_MS, retry: false, signal };
        const qmp = await QmpClient.connect({ path: this.#path }, options);
        if (signal.aborted) return await qmp.close();
        this.#use(qmp);
        for (const listener of [...this.#onReconnect]) listener();
        return;
      } catch {
        if (await waitForEnd(this.#process, backoff.next(), { everyMs: 50, signal })) {
          this.#end.resolve();
          return;
        }
      }
    }
  }
}

function subscribe(qmp: QmpClient, subscription: Subscription): void {
  const { name, listener } = subscription;
  subscription.stop = qmp.on(name as "STOP", listener as QmpEventListener<"STOP">);
}
