import { join } from "node:path";
import type { AgentEvent, EventBody } from "../../core/protocol/event.ts";
import { JournalFile } from "../durable/journal.ts";
import type { Log } from "../runtime/log.ts";
import { type CloudApi, CloudRefusedError, EventGapError } from "./api.ts";
import { COMPANY_MS, canWait } from "./batching.ts";

type Queued = { id: number; atMs: number; body: EventBody; seq?: number };
type Entry =
  | { put: Queued }
  | { seq: number; of: number }
  | { accepted: number }
  | { dropped: number }
  /** All that waits is numbered anew after this one. */
  | { renumberFrom: number };

const BATCH_MAX = 50;
/** The control plane takes bodies of 1 MiB; probes are some 20 KB each. */
const BATCH_BYTES_MAX = 256 * 1024;
/** More waiting events than this means that the cloud has been away for long: progress is dropped. */
const QUEUED_MAX = 10_000;
/** `refused`: the host key is not accepted; the agent stays, since it watches over migrations. */
const RETRY_MS = { first: 100, max: 5_000, refused: 30_000 };

/**
 * Events on their way to the cloud: in order, at least once, over restarts of the agent and the
 * cloud. An event is in the journal before `put` returns. Progress is only ever the newest. When the
 * disk is full, events are kept in memory and sent all the same; answers to commands are not taken
 * then, because the queue gives the command again.
 */
export class Outbox {
  readonly #api: CloudApi;
  readonly #log: Log;
  readonly #journal: JournalFile<Entry>;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  readonly #retryMs: typeof RETRY_MS;
  readonly #companyMs: number;
  #queue: Queued[] = [];
  /** 1 after a batch was found unfit: the unfit event is looked for one by one. */
  #batchMax = BATCH_MAX;
  #started = false;
  #nextId = 1;
  #lastSeq = 0;
  /** When the first of what waits must go, by performance.now(). */
  #dueAtMs = Number.POSITIVE_INFINITY;
  #wake: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: {
    api: CloudApi;
    stateDir: string;
    log: Log;
    now?: () => number;
    /** Pauses between attempts, ms. */
    retryMs?: typeof RETRY_MS;
    /** Longest wait for company, ms. */
    companyMs?: number;
  }) {
    this.#api = options.api;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#retryMs = options.retryMs ?? RETRY_MS;
    this.#companyMs = options.companyMs ?? COMPANY_MS;
    this.#journal = new JournalFile(join(options.stateDir, "outbox.jsonl"), () => this.#live());
    this.#replay(this.#journal.open());
    if (this.#queue.length > 0) this.#hurry(0);
  }

  /** Starts sending, on from the cloud's `lastSeq` for this host. */
  start(lastSeq: number): void {
    this.#accepted(lastSeq);
    // The cloud may know more than this journal (a host that was set up anew).
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq);
    this.#started = true;
    this.#running = this.#run();
  }

  /**
   * `waits`: for others to be sent with it, up to {@link COMPANY_MS}.
   *
   * @throws the file system's error when the journal cannot take the answer to a command. Other
   *   events are never refused.
   */
  put(body: EventBody, atMs = this.#now(), waits = canWait(body)): void {
    if (body.type === "migration.progress" && this.#replaceProgress(body, atMs)) return;
    this.#hurry(waits ? this.#companyMs : 0);
    const queued: Queued = { id: this.#nextId, atMs, body };
    if (body.type.startsWith("command.")) this.#journal.append({ put: queued });
    else if (body.type !== "migration.progress") this.#note({ put: queued });
    this.#nextId += 1;
    this.#queue.push(queued);
    this.#wake?.();
  }

  /** How many events have not been accepted yet. */
  get pending(): number {
    return this.#queue.length;
  }

  /** Stops sending; what is left is sent after the next start. Waits up to `graceMs` for the rest. */
  async stop(graceMs = 0): Promise<void> {
    this.#hurry(0);
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
    let delayMs = this.#retryMs.first;
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#dueAtMs - performance.now();
      if (this.#queue.length === 0 || waitMs > 0) {
        await this.#sleep(Number.isFinite(waitMs) ? waitMs : undefined);
        continue;
      }
      try {
        await this.#deliver();
        this.#batchMax = BATCH_MAX;
        delayMs = this.#retryMs.first;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#hurry(0);
        const pauseMs = this.#onRefused(error) ?? delayMs;
        this.#log.warn({ error, pauseMs }, "events could not be delivered, trying again");
        await this.#sleep(pauseMs, true);
        delayMs = Math.min(delayMs * 2, this.#retryMs.max);
      }
    }
  }

  #hurry(ms: number): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, performance.now() + ms);
  }

  /** Some refusals are cured here. Answers with the pause after which to go on, if it is special. */
  #onRefused(error: unknown): number | undefined {
    if (error instanceof EventGapError) this.#renumber(error.expectedSeq - 1);
    if (!(error instanceof CloudRefusedError)) return undefined;
    if (!error.isUnfit) return this.#retryMs.refused;
    const [first] = this.#queue;
    if (this.#batchMax > 1 || first?.seq === undefined) {
      this.#batchMax = 1;
      return 0;
    }
    // One event that this cloud will never take must not keep all later ones from it.
    this.#log.error({ type: first.body.type, seq: first.seq, error }, "event dropped: unfit");
    this.#queue.shift();
    this.#note({ dropped: first.id });
    this.#renumber(first.seq - 1);
    return 0;
  }

  async #deliver(): Promise<void> {
    // What is put from here on has its own time.
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    const waiting = this.#queue.length;
    const batch = this.#nextBatch();
    const accepted = await this.#api.postEvents(batch, this.#stop.signal);
    if (!this.#accepted(accepted)) throw new Error("The cloud took none of them");
    if (batch.length < waiting) this.#hurry(0);
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
    if (queued.body.type === "migration.progress") this.#note({ put: queued });
    this.#note({ seq, of: queued.id });
    queued.seq = seq;
    this.#lastSeq = seq;
    return seq;
  }

  /** False when that was known already. */
  #accepted(seq: number): boolean {
    const left = this.#queue.filter((queued) => queued.seq === undefined || queued.seq > seq);
    if (left.length === this.#queue.length) return false;
    this.#queue = left;
    this.#note({ accepted: seq });
    return true;
  }

  /** Without it the event may be told again after a restart, or be lost with the agent: no worse. */
  #note(entry: Entry): void {
    try {
      this.#journal.append(entry);
    } catch (error) {
      this.#log.error({ error }, "the outbox cannot be written; events are kept in memory");
    }
  }

  #renumber(lastSeq: number): void {
    this.#note({ renumberFrom: lastSeq });
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
      const { seq, ...put } = queued;
      if (seq === undefined && put.body.type === "migration.progress") continue;
      yield { put };
      if (seq !== undefined) yield { seq, of: put.id };
    }
  }

  /** Until something is put, or for `ms`; `deaf`: whatever is put. */
  #sleep(ms: number | undefined, deaf = false): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      const signal = this.#stop.signal;
      signal.addEventListener("abort", done, { once: true });
      this.#wake = deaf ? undefined : done;
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
