import type { VmId } from "../../core/id.ts";
import type { AgentEvent, EventBody } from "../../core/protocol/event.ts";
import { Backoff, type BackoffLimits } from "../runtime/backoff.ts";
import type { Log } from "../runtime/log.ts";
import { type CloudApi, CloudRefusedError, EventGapError, SupersededError } from "./api.ts";
import { BATCH_WINDOW_MS, isBatchable } from "./batching.ts";
import { EventStore, type Queued } from "./event-store.ts";

const BATCH_MAX = 50;
/** The control plane takes bodies of 1 MiB; probes are some 20 KB each. */
const BATCH_BYTES_MAX = 256 * 1024;
/** With more waiting events, after a long outage of the cloud, progress is dropped. */
const QUEUED_MAX = 10_000;
/** `refusedMs`: the host key is not accepted; the agent goes on, since it watches its migrations. */
type Retry = BackoffLimits & { readonly refusedMs: number };
const RETRY: Retry = { firstMs: 100, maxMs: 5_000, refusedMs: 30_000 };

/**
 * Delivers events to the cloud: in order, at least once, over restarts of the agent and the cloud. An
 * event is in the agent's store before `emit` returns. Of a migration's progress only the newest is kept.
 * When the disk is full, events are kept in memory and still sent; answers to commands are refused
 * then, because the queue delivers the command again.
 */
export class Outbox {
  readonly #api: CloudApi;
  readonly #log: Log;
  readonly #store: EventStore;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  readonly #retry: Retry;
  readonly #batchWindowMs: number;
  readonly #onSuperseded: (error: SupersededError) => void;
  #queue: Queued[] = [];
  /** 1 after a batch was refused as unfit: the unfit event is found by sending one at a time. */
  #batchMax = BATCH_MAX;
  #started = false;
  #nextId = 1;
  #lastSeq = 0;
  /** When the next batch must be sent, by performance.now(). */
  #dueAtMs = Number.POSITIVE_INFINITY;
  #wake: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: {
    api: CloudApi;
    stateDir: string;
    log: Log;
    now?: () => number;
    retry?: Retry;
    /** Nothing more is sent: another process is this host's agent now. */
    onSuperseded?: (error: SupersededError) => void;
    /** Default {@link BATCH_WINDOW_MS}. */
    batchWindowMs?: number;
  }) {
    this.#api = options.api;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#retry = options.retry ?? RETRY;
    this.#batchWindowMs = options.batchWindowMs ?? BATCH_WINDOW_MS;
    this.#onSuperseded = options.onSuperseded ?? (() => undefined);
    this.#store = new EventStore(options.stateDir, options.log);
    const { queue, nextId, lastSeq } = this.#store.read();
    this.#queue = queue;
    this.#nextId = nextId;
    this.#lastSeq = lastSeq;
    if (this.#queue.length > 0) this.#sendWithin(0);
  }

  /** Starts sending. `lastSeq`: the last event of this host that the cloud has. */
  start(lastSeq: number): void {
    this.#accepted(lastSeq);
    // The cloud may have more than this store knows (a host that was set up again).
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq);
    this.#started = true;
    this.#running = this.#run();
  }

  /**
   * Takes an event for delivery. `isDelayed`: it may be delayed to share a request, up to
   * {@link BATCH_WINDOW_MS}.
   *
   * @throws the error of SQLite when the store cannot take the answer to a command; other events
   *   are never refused
   */
  emit(body: EventBody, atMs = this.#now(), isDelayed = isBatchable(body)): void {
    if (body.type === "migration.progress" && this.#replaceProgress(body, atMs)) return;
    this.#sendWithin(isDelayed ? this.#batchWindowMs : 0);
    const queued: Queued = { id: this.#nextId, atMs, body };
    if (body.type.startsWith("command.")) this.#store.add(queued);
    else if (body.type !== "migration.progress") this.#record(() => this.#store.add(queued));
    this.#nextId += 1;
    this.#queue.push(queued);
    this.#wake?.();
  }

  /** VMs whose exit has not been accepted yet: the cloud does not know of it. */
  get unreportedExits(): VmId[] {
    return this.#queue.flatMap(({ body }) => (body.type === "guest.exited" ? body.vm : []));
  }

  /** How many events have not been accepted yet. */
  get pending(): number {
    return this.#queue.length;
  }

  /** When the oldest of them happened, ms since the epoch; undefined: none waits. */
  get oldestAtMs(): number | undefined {
    const { length } = this.#queue;
    return length === 0
      ? undefined
      : this.#queue.reduce((oldest, { atMs }) => Math.min(oldest, atMs), Infinity);
  }

  /** Waits up to `graceMs` until all is sent, then stops. The rest is sent after the next start. */
  async stop(graceMs = 0): Promise<void> {
    this.#sendWithin(0);
    this.#wake?.();
    const deadline = performance.now() + graceMs;
    while (this.#started && this.#queue.length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#stop.abort();
    await this.#running;
    this.#store.close();
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(this.#retry);
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#dueAtMs - performance.now();
      if (this.#queue.length === 0 || waitMs > 0) {
        await this.#sleep(Number.isFinite(waitMs) ? waitMs : undefined);
        continue;
      }
      try {
        await this.#deliver();
        this.#batchMax = BATCH_MAX;
        backoff.reset();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof SupersededError) {
          this.#onSuperseded(error);
          return;
        }
        this.#sendWithin(0);
        const pauseMs = this.#onRefused(error) ?? backoff.next();
        this.#log.warn({ error, pauseMs }, "events could not be delivered, trying again");
        await this.#sleep(pauseMs, true);
      }
    }
  }

  #sendWithin(ms: number): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, performance.now() + ms);
  }

  /**
   * Corrects what a refusal shows to be wrong.
   *
   * @returns the pause before the next attempt, ms; undefined: the usual one
   */
  #onRefused(error: unknown): number | undefined {
    if (error instanceof EventGapError) this.#renumber(error.expectedSeq - 1);
    if (!(error instanceof CloudRefusedError)) return undefined;
    if (!error.isUnfit) return this.#retry.refusedMs;
    const [first] = this.#queue;
    if (this.#batchMax > 1 || first?.seq === undefined) {
      this.#batchMax = 1;
      return 0;
    }
    // An event that this cloud never accepts must not block all later ones.
    this.#log.error({ type: first.body.type, seq: first.seq, error }, "event dropped: unfit");
    this.#queue.shift();
    this.#record(() => this.#store.drop(first.id));
    this.#renumber(first.seq - 1);
    return 0;
  }

  async #deliver(): Promise<void> {
    // Events emitted from here on set a time of their own.
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    const waiting = this.#queue.length;
    const batch = this.#nextBatch();
    const accepted = await this.#api.postEvents(batch, this.#stop.signal);
    if (!this.#accepted(accepted))
      throw new Error(
        `The cloud accepted none of ${batch.length} events (accepted up to ${accepted})`,
      );
    if (batch.length < waiting) this.#sendWithin(0);
  }

  #nextBatch(): AgentEvent[] {
    const batch: Queued[] = [];
    let bytes = 0;
    for (const queued of this.#queue.slice(0, this.#batchMax)) {
      bytes += Buffer.byteLength(JSON.stringify(queued.body));
      if (batch.length > 0 && bytes > BATCH_BYTES_MAX) break;
      batch.push(queued);
    }
    return this.#number(batch);
  }

  /** Events that were not sent before get their numbers, which they keep. */
  #number(batch: readonly Queued[]): AgentEvent[] {
    const fresh = batch.filter(({ seq }) => seq === undefined);
    for (const queued of fresh) {
      this.#lastSeq += 1;
      queued.seq = this.#lastSeq;
    }
    if (fresh.length > 0) this.#record(() => this.#store.number(fresh, this.#lastSeq));
    return batch.map(({ seq = 0, atMs, body }) => ({ seq, atMs, body }));
  }

  /** Removes accepted events. False when there were none to remove. */
  #accepted(seq: number): boolean {
    const left = this.#queue.filter((queued) => queued.seq === undefined || queued.seq > seq);
    if (left.length === this.#queue.length) return false;
    this.#queue = left;
    const lastSeq = Math.max(this.#lastSeq, seq);
    this.#record(() => this.#store.accept(seq, lastSeq));
    return true;
  }

  /** Unrecorded, the event may be sent again after a restart, or be lost with the agent. */
  #record(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#log.error({ error }, "the outbox cannot be written; events are kept in memory");
    }
  }

  #renumber(lastSeq: number): void {
    this.#record(() => this.#store.renumber(lastSeq));
    this.#lastSeq = lastSeq;
    for (const queued of this.#queue) delete queued.seq;
  }

  /** The newest progress takes the place of one that has not been sent yet. */
  #replaceProgress(body: EventBody & { type: "migration.progress" }, atMs: number): boolean {
    const waiting = this.#queue.find(
      (queued) =>
        queued.seq === undefined &&
        queued.body.type === "migration.progress" &&
        queued.body.migrationId === body.migrationId,
    );
    if (!waiting) return this.#queue.length >= QUEUED_MAX;
    // Moved to the end: it must not come before the events emitted in between.
    this.#queue = this.#queue.filter((queued) => queued !== waiting);
    this.#queue.push({ ...waiting, body, atMs });
    this.#wake?.();
    return true;
  }

  /** Until an event is emitted, or for `ms`; `isUninterrupted`: for `ms` in any case. */
  #sleep(ms: number | undefined, isUninterrupted = false): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      const signal = this.#stop.signal;
      signal.addEventListener("abort", done, { once: true });
      this.#wake = isUninterrupted ? undefined : done;
      function done() {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }
}
