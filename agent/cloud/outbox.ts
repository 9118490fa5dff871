import { join } from "node:path";
import type { AgentEvent, EventBody } from "../../core/event.ts";
import { JournalFile } from "../journal.ts";
import type { Log } from "../log.ts";
import { type CloudApi, EventGapError } from "./api.ts";

type Queued = { id: number; atMs: number; body: EventBody; seq?: number };
type Entry =
  | { put: Queued }
  | { seq: number; of: number }
  | { accepted: number }
  /** All that waits is numbered anew after this one. */
  | { renumberFrom: number };

const BATCH_MAX = 50;
/** More waiting events than this means that the cloud has been away for long: progress is dropped. */
const QUEUED_MAX = 10_000;
const RETRY_MS = { first: 100, max: 5_000 };

/**
 * Events on their way to the cloud: in order, at least once, over restarts of the agent and the
 * cloud. An event is in the journal before `put` returns. Progress is only ever the newest.
 */
export class Outbox {
  readonly #api: CloudApi;
  readonly #log: Log;
  readonly #journal: JournalFile<Entry>;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  #queue: Queued[] = [];
  #nextId = 1;
  #lastSeq = 0;
  #wake: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: { api: CloudApi; stateDir: string; log: Log; now?: () => number }) {
    this.#api = options.api;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#journal = new JournalFile(join(options.stateDir, "outbox.jsonl"), () => this.#live());
    this.#replay(this.#journal.open());
  }

  /** Starts sending, on from the cloud's `lastSeq` for this host. */
  start(lastSeq: number): void {
    this.#accepted(lastSeq);
    // The cloud may know more than this journal (a host that was set up anew).
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq);
    this.#running = this.#run();
  }

  /**
   * @throws the file system's error when the journal cannot take the event (progress never throws).
   */
  put(body: EventBody, atMs = this.#now()): void {
    if (body.type === "migration.progress" && this.#replaceProgress(body, atMs)) return;
    const queued: Queued = { id: this.#nextId, atMs, body };
    if (body.type !== "migration.progress") this.#journal.append({ put: queued });
    this.#nextId += 1;
    this.#queue.push(queued);
    this.#wake?.();
  }

  /** Resolves when all that was put has been accepted. */
  get pending(): number {
    return this.#queue.length;
  }

  /** Stops sending; what is left is sent after the next start. Waits up to `graceMs` for the rest. */
  async stop(graceMs = 0): Promise<void> {
    const deadline = this.#now() + graceMs;
    while (this.#queue.length > 0 && this.#now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
    this.#journal.close();
  }

  async #run(): Promise<void> {
    let delayMs = RETRY_MS.first;
    while (!this.#stop.signal.aborted) {
      if (this.#queue.length === 0) {
        await this.#sleep();
        continue;
      }
      try {
        this.#accepted(await this.#send());
        delayMs = RETRY_MS.first;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof EventGapError) this.#renumber(error.expectedSeq - 1);
        this.#log.warn({ error, delayMs }, "events could not be delivered, trying again");
        await this.#sleep(delayMs);
        delayMs = Math.min(delayMs * 2, RETRY_MS.max);
      }
    }
  }

  async #send(): Promise<number> {
    const batch: AgentEvent[] = [];
    for (const queued of this.#queue.slice(0, BATCH_MAX)) {
      if (queued.seq === undefined) {
        const seq = this.#lastSeq + 1;
        if (queued.body.type === "migration.progress") this.#journal.append({ put: queued });
        this.#journal.append({ seq, of: queued.id });
        queued.seq = seq;
        this.#lastSeq = seq;
      }
      batch.push({ seq: queued.seq, atMs: queued.atMs, body: queued.body });
    }
    return this.#api.postEvents(batch, this.#stop.signal);
  }

  #accepted(seq: number): void {
    const left = this.#queue.filter((queued) => queued.seq === undefined || queued.seq > seq);
    if (left.length === this.#queue.length) return;
    this.#queue = left;
    this.#journal.append({ accepted: seq });
  }

  #renumber(lastSeq: number): void {
    this.#journal.append({ renumberFrom: lastSeq });
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
    // Moved to the end: it must not seem to have happened before what came in between.
    this.#queue = this.#queue.filter((queued) => queued !== waiting);
    this.#queue.push({ ...waiting, body, atMs });
    this.#wake?.();
    return true;
  }

  #replay(entries: Entry[]): void {
    const byId = new Map<number, Queued>();
    for (const entry of entries) {
      if ("put" in entry) byId.set(entry.put.id, { ...entry.put });
      if ("seq" in entry) {
        const queued = byId.get(entry.of);
        if (queued) queued.seq = entry.seq;
        this.#lastSeq = Math.max(this.#lastSeq, entry.seq);
      }
      if ("renumberFrom" in entry) {
        this.#lastSeq = entry.renumberFrom;
        for (const queued of byId.values()) delete queued.seq;
      }
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
      const { seq, ...put } = queued;
      if (seq === undefined && put.body.type === "migration.progress") continue;
      yield { put };
      if (seq !== undefined) yield { seq, of: put.id };
    }
  }

  #sleep(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      const wake = ms === undefined ? done : undefined;
      const signal = this.#stop.signal;
      signal.addEventListener("abort", done, { once: true });
      this.#wake = wake;
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
