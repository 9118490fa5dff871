import { keyOf } from "./arn.ts";
import { ServiceError } from "./errors.ts";
import type { Execution } from "./execution.ts";
import type { ExecutionHeader, ExecutionRecord, StartedBy } from "./execution-record.ts";
import type { HistoryEvent } from "./history.ts";
import type { Store } from "./store/store.ts";

type Entry = {
  header: Readonly<ExecutionHeader>;
  /** The whole execution, if it is in memory. */
  live: Execution | undefined;
};

type ExecutionsOptions = {
  readonly store: Store;
  readonly isDurable: boolean;
  readonly load: (record: ExecutionRecord) => Execution;
};

/** Ended executions that are kept, in the store or in memory. */
const endedMax = { durable: 10_000, memory: 1000 };
/** As on AWS. They are removed when another one ends. */
const ENDED_KEPT_MS = 90 * 24 * 60 * 60 * 1000;

/** All executions: open ones in memory, ended ones in the store if it is durable. */
export class Executions {
  readonly #options: ExecutionsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #arnByKey = new Map<string, string>();
  readonly #open = new Set<string>();
  /** In the order they ended. */
  readonly #ended = new Set<string>();

  constructor(options: ExecutionsOptions) {
    this.#options = options;
  }

  get openCount(): number {
    return this.#open.size;
  }

  find(arn: string): Readonly<ExecutionHeader> | undefined {
    const entry = this.#entries.get(arn);
    return entry?.live?.header ?? entry?.header;
  }

  /** @throws ServiceError `ExecutionDoesNotExist` */
  get(arn: string): Readonly<ExecutionHeader> {
    const header = this.find(arn);
    if (header) return header;
    throw new ServiceError("ExecutionDoesNotExist", `Execution Does Not Exist: '${arn}'`);
  }

  headers(): Readonly<ExecutionHeader>[] {
    return [...this.#entries.values()].map(({ header, live }) => live?.header ?? header);
  }

  /** Running executions. */
  open(): Execution[] {
    return [...this.#open].flatMap((arn) => this.live(arn) ?? []);
  }

  live(arn: string): Execution | undefined {
    return this.#entries.get(arn)?.live;
  }

  byKey(key: string): Execution | undefined {
    const arn = this.#arnByKey.get(key);
    return arn === undefined ? undefined : this.live(arn);
  }

  /** Whether an execution with this key is known, open or ended. */
  hasKey(key: string): boolean {
    return this.#arnByKey.has(key);
  }

  hasOpen(stateMachineArn: string): boolean {
    return [...this.#open].some((arn) => this.find(arn)?.stateMachineArn === stateMachineArn);
  }

  startedBy(arn: string, { frame, serial }: Pick<StartedBy, "frame" | "serial">): Execution[] {
    return [...this.#open].flatMap((open) => {
      const execution = this.live(open);
      const starter = execution?.header.startedBy;
      const isOurs = starter?.awaited && starter.executionArn === arn && starter.frame === frame;
      return execution && isOurs && starter.serial === serial ? [execution] : [];
    });
  }

  events(arn: string): readonly HistoryEvent[] {
    const header = this.get(arn);
    return this.live(arn)?.events ?? this.#options.store.loadExecution(header.arn).events;
  }

  add(execution: Execution): Execution {
    const { header } = execution;
    this.#entries.set(header.arn, { header, live: execution });
    this.#arnByKey.set(keyOf(header.arn), header.arn);
    this.#open.add(header.arn);
    return execution;
  }

  addEnded(header: Readonly<ExecutionHeader>): void {
    this.#entries.set(header.arn, { header, live: undefined });
    this.#arnByKey.set(keyOf(header.arn), header.arn);
    this.#ended.add(header.arn);
  }

  /** Loads an ended execution as a whole, to be redriven. */
  reopen(arn: string): Execution {
    const header = this.get(arn);
    const execution =
      this.live(arn) ?? this.#options.load(this.#options.store.loadExecution(header.arn));
    this.#ended.delete(arn);
    return this.add(execution);
  }

  /** Marks an execution as ended: it may be evicted or archived now. */
  markEnded(arn: string): void {
    const execution = this.live(arn);
    this.#open.delete(arn);
    this.#ended.add(arn);
    this.#evict((this.find(arn)?.stoppedAt ?? 0) - ENDED_KEPT_MS);
    if (execution && this.#options.isDurable) setImmediate(() => this.#archive(execution));
  }

  async close(): Promise<void> {
    const live = [...this.#entries.values()].flatMap((entry) => entry.live ?? []);
    await Promise.all(live.map((execution) => execution.close()));
  }

  #archive(execution: Execution): void {
    const entry = this.#entries.get(execution.header.arn);
    if (entry?.live !== execution) return;
    if (execution.header.status === "RUNNING") return;
    if (!execution.isIdle) setImmediate(() => this.#archive(execution));
    else this.#entries.set(execution.header.arn, { header: execution.header, live: undefined });
  }

  /** Removes the oldest: those that are too many, and those that ended before `sinceMs`. */
  #evict(sinceMs: number): void {
    const max = this.#options.isDurable ? endedMax.durable : endedMax.memory;
    for (const arn of this.#ended) {
      const header = this.find(arn);
      const isOld = (header?.stoppedAt ?? sinceMs) < sinceMs;
      if (this.#ended.size <= max && !isOld) return;
      const starter = header?.startedBy?.executionArn;
      // Items of a Map Run are its result until it has ended.
      if (starter !== undefined && this.#open.has(starter)) continue;
      this.#ended.delete(arn);
      this.#entries.delete(arn);
      this.#arnByKey.delete(keyOf(arn));
      this.#options.store.removeExecution(arn);
    }
  }
}
