import { join } from "node:path";
import type { AgentEvent, EventBody } from "../../core/protocol/event.ts";
import { JournalFile, warnOfSkipped } from "../durable/journal.ts";
import { Backoff, type BackoffLimits } from "../runtime/backoff.ts";
import type { Log } from "../runtime/log.ts";
import { type CloudApi, CloudRefusedError, EventGapError } from "./api.ts";
import { BATCH_WINDOW_MS, isBatchable } from "./batching.ts";

type Queued = { id: number; atMs: number; body: EventBody; seq?: number };
type Entry =
  | { emitted: Queued }
  | { seq: number; of: number }
  | { accepted: number }
  | { dropped: number }
  /** All waiting events get new numbers, counted from this one. */
  | { renumberFrom: number };

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
 * event is in the journal before `emit` returns. Of a migration's progress only the newest is kept.
 * When the disk is full, events are kept in memory and still sent; answers to commands are refused
 * then, because the queue delivers the command again.
 */
export class Outbox {
  readonly #api: CloudApi;
  readonly #log: Log;
  readonly #journal: JournalFile<Entry>;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  readonly #retry: Retry;
  readonly #batchWindowMs: number;
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
    /** Default {@link BATCH_WINDOW_MS}. */
    batchWindowMs?: number;
  }) {
    this.#api = options.api;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#retry = options.retry ?? RETRY;
    this.#batchWindowMs = options.batchWindowMs ?? BATCH_WINDOW_MS;
    this.#journal = new JournalFile(join(options.stateDir, "outbox.jsonl"), () => this.#live());
    this.#replay(this.#journal.open());
    warnOfSkipped(this.#journal.skippedLines, "the outbox", this.#log);
    if (this.#queue.length > 0) this.#sendWithin(0);
  }

  /** Starts sending. `lastSeq`: the last event of this host that the cloud has. */
  start(lastSeq: number): void {
    this.#accepted(lastSeq);
    // The cloud may have more than this journal knows (a host that was set up again).
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq);
    this.#started = true;
    this.#running = this.#run();
  }

  /**
   * Takes an event for delivery. `isDelayed`: it may be delayed to share a request, up to
   * {@link BATCH_WINDOW_MS}.
   *
   * @throws the file system's error when the journal cannot take the answer to a command; other events
   *   are never refused
   */
  emit(body: EventBody, atMs = this.#now(), isDelayed = isBatchable(body)): void {
    if (body.type === "migration.progress" && this.#replaceProgress(body, atMs)) return;
    this.#sendWithin(isDelayed ? this.#batchWindowMs : 0);
    const queued: Queued = { id: this.#nextId, atMs, body };
    if (body.type.startsWith("command.")) this.#journal.append({ emitted: queued });
    else if (body.type !== "migration.progress") this.#record({ emitted: queued });
    this.#nextId += 1;
    this.#queue.push(queued);
    this.#wake?.();
  }

  /** How many events have not been accepted yet. */
  get pending(): number {
    return this.#queue.length;
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
    this.#journal.close();
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
    this.#record({ dropped: first.id });
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
    const batch: AgentEvent[] = [];
    let bytes = 0;
    for (const queued of this.#queue.slice(0, this.#batchMax)) {
      bytes += Buffer.byteLength(JSON.stringify(queued.body));
      if (batch.length > 0 && bytes > BATCH_BYTES_MAX) break;
      batch.push({ seq: this.#numberOf(queued), atMs: queued.atMs, body: queued.body });
    }
    return batch;
  }

  #numberOf(queued: Queued): number {
    if (queued.seq !== undefined) return queued.seq;
    const seq = this.#lastSeq + 1;
    if (queued.body.type === "migration.progress") this.#record({ emitted: queued });
    this.#record({ seq, of: queued.id });
    queued.seq = seq;
    this.#lastSeq = seq;
    return seq;
  }

  /** Removes accepted events. False when there were none to remove. */
  #accepted(seq: number): boolean {
    const left = this.#queue.filter((queued) => queued.seq === undefined || queued.seq > seq);
    if (left.length === this.#queue.length) return false;
    this.#queue = left;
    this.#record({ accepted: seq });
    return true;
  }

  /** Without the entry the event may be sent again after a restart, or be lost with the agent. */
  #record(entry: Entry): void {
    try {
      this.#journal.append(entry);
    } catch (error) {
      this.#log.error({ error }, "the outbox cannot be written; events are kept in memory");
    }
  }

  #renumber(lastSeq: number): void {
    this.#record({ renumberFrom: lastSeq });
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

  #replay(entries: Entry[]): void {
    const byId = new Map<number, Queued>();
    for (const entry of entries) {
      if ("emitted" in entry) byId.set(entry.emitted.id, { ...entry.emitted });
      if ("seq" in entry) {
        const queued = byId.get(entry.of);
        if (queued) queued.seq = entry.seq;
        this.#lastSeq = Math.max(this.#lastSeq, entry.seq);
      }
      if ("renumberFrom" in entry) {
        this.#lastSeq = entry.renumberFrom;
        for (const queued of byId.values()) delete queued.seq;
      }
      if ("dropped" in entry) byId.delete(entry.dropped);
      if ("accepted" in entry) {
        this.#lastSeq = Math.max(this.#lastSeq, entry.accepted);
        for (const [id, queued] of byId) {
          if (queued.seq !== undefined && queued.seq <= entry.accepted) byId.delete(id);
        }
      }
    }
    this.#queue = [...byId.values()].sort((a, b) => order(a) - order(b));
    this.#nextId = Math.max(0, ...byId.keys()) + 1;
  }

  *#live(): Iterable<Entry> {
    yield { accepted: this.#queue[0]?.seq === undefined ? this.#lastSeq : this.#queue[0].seq - 1 };
    for (const queued of this.#queue) {
      const { seq, ...emitted } = queued;
      if (seq === undefined && emitted.body.type === "migration.progress") continue;
      yield { emitted };
      if (seq !== undefined) yield { seq, of: emitted.id };
    }
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

/** Numbered events were sent before all others. */
function order(queued: Queued): number {
  return queued.seq ?? Number.MAX_SAFE_INTEGER / 2 + queued.id;
}
