import { itemArn } from "./arn.ts";
import type { Definition } from "./definition.ts";
import type { ExecutionHeader, ExecutionRecord, StartedBy } from "./execution-record.ts";
import { type Frame, isWaiting, type TaskStep } from "./frame.ts";
import type { HistoryEvent } from "./history.ts";
import type { ExecutionHost, TaskResult } from "./host.ts";
import type { Json } from "./json.ts";
import { type Change, Ledger } from "./ledger.ts";
import { Mailbox } from "./mailbox.ts";
import type { Outside } from "./outside.ts";
import { Progress } from "./progress.ts";
import { Timers } from "./timers.ts";

/** States that a frame runs before other frames continue. */
const STEPS_PER_TURN = 32;
/** Key of the execution's own timer; keys of frames start at 1. */
const DEADLINE = 0;

/**
 * One running execution. Messages to it (answers, timers, API calls) are processed one at a time:
 * the transitions are made, the change is stored, and only then the effects are released: calls,
 * answers, notifications of other executions.
 */
export class Execution {
  readonly #host: ExecutionHost;
  readonly #ledger: Ledger;
  readonly #progress: Progress;
  readonly #mailbox: Mailbox;
  readonly #timers: Timers;
  readonly #calls = new Map<number, AbortController>();
  #effects: (() => void)[] = [];
  /** A change taken from the ledger that the store has not accepted yet. */
  #unstored: Change | undefined;
  #isEndReported: boolean;

  constructor(host: ExecutionHost, record: ExecutionRecord, definition: Definition) {
    this.#host = host;
    this.#ledger = new Ledger(record, () => host.clock.now());
    this.#isEndReported = record.header.status !== "RUNNING";
    this.#timers = new Timers(host.clock);
    this.#progress = new Progress({
      ledger: this.#ledger,
      definition,
      outside: this.#outside(),
      functions: host.functions,
    });
    this.#mailbox = new Mailbox({
      hasWork: () => this.#progress.isReady,
      work: () => this.#progress.advance(STEPS_PER_TURN),
      settle: () => this.#settle(),
      onFault: (error) => this.#onFault(error),
      onSettleFault: (error) => {
        host.logger.error({ err: error, arn: this.header.arn }, "change was not stored");
      },
    });
  }

  get header(): Readonly<ExecutionHeader> {
    return this.#ledger.header;
  }

  get record(): ExecutionRecord {
    return this.#ledger.record;
  }

  get events(): readonly HistoryEvent[] {
    return this.record.events;
  }

  /** Stores the new execution and starts it. */
  begin(): void {
    const { input, roleArn, scope } = this.header;
    const inputDetails = { truncated: false };
    const lastEventId = this.#ledger.append("ExecutionStarted", 0, {
      input,
      inputDetails,
      roleArn,
    });
    this.#progress.addFrame({
      parent: null,
      index: 0,
      scope,
      input: JSON.parse(input) as Json,
      lastEventId,
    });
    this.#host.store.createExecution(this.record);
    this.#ledger.take();
    this.#armDeadline();
    this.#mailbox.wake();
  }

  /** Continues after a restart of the process. */
  async resume(): Promise<void> {
    this.#armDeadline();
    await this.#mailbox.post(async () => {
      for (const frame of [...this.record.frames.values()]) await this.#resumeFrame(frame);
    });
  }

  stop(failure: { error: string | undefined; cause: string | undefined }): Promise<void> {
    return this.#mailbox.post(async () => {
      if (!this.#progress.isRunning) return;
      const { error, cause } = failure;
      this.#progress.end("ABORTED", { error: { code: error ?? "", reason: cause ?? null } });
    });
  }

  /** Continues after a failure, from the states that did not succeed. */
  redrive(clientToken: string | undefined): Promise<void> {
    return this.#mailbox.post(async () => {
      const now = this.#host.clock.now();
      const timeoutMs = this.#host.timeoutMs(this.header);
      const last = this.record.events.length;
      this.#ledger.updateHeader({
        status: "RUNNING",
        stoppedAt: null,
        output: null,
        error: null,
        cause: null,
        redriveCount: this.header.redriveCount + 1,
        redrivenAt: now,
        redriveClientToken: clientToken ?? null,
        deadline: timeoutMs === undefined ? null : now + timeoutMs,
      });
      this.#isEndReported = false;
      const { redriveCount } = this.header;
      this.#ledger.append("ExecutionRedriven", last, { redriveCount });
      this.#armDeadline();
      for (const frame of [...this.record.frames.values()]) await this.#redriveFrame(frame);
    });
  }

  /**
   * Finishes the task that has this token.
   *
   * @returns whether the task still waited for it
   */
  finishTask(frameId: number, token: string, result: TaskResult): Promise<boolean> {
    return this.#withToken(frameId, token, (frame) => this.#finish(frame, result));
  }

  /** @returns whether the task still waits for its token */
  heartbeat(frameId: number, token: string): Promise<boolean> {
    return this.#withToken(frameId, token, async (frame, step) =>
      this.#progress.tasks.heartbeat(frame, step),
    );
  }

  /** Called when an execution that this one waits for has ended, after `redriveCount` redrives. */
  childEnded(startedBy: StartedBy, arn: string, redriveCount: number): void {
    this.#post(async () => {
      const ended = this.#host.find(arn);
      // It may have been redriven in the meantime.
      if (!ended || ended.status === "RUNNING" || ended.redriveCount !== redriveCount) return;
      if (!this.#progress.isRunning) return;
      const frame = this.#waitingFrame(startedBy.frame, startedBy.serial);
      if (frame?.step.at === "task") await this.#progress.tasks.executionEnded(frame, ended);
      if (frame?.step.at === "mapRun") {
        await this.#progress.children.mapRuns.itemEnded(frame, ended.status);
      }
    });
  }

  /** Whether the execution still waits for one that was started by this frame and step. */
  awaits({ frame, serial }: StartedBy): boolean {
    return this.#progress.isRunning && this.#waitingFrame(frame, serial) !== undefined;
  }

  /** Whether nothing is to be done: the execution has ended and has no pending messages. */
  get isIdle(): boolean {
    return !this.#progress.isRunning && this.#mailbox.isIdle;
  }

  /** Stops everything without changing the record: the process is about to end. */
  async close(): Promise<void> {
    const closed = this.#mailbox.close();
    this.#timers.clearAll();
    for (const controller of this.#calls.values()) controller.abort();
    await closed;
  }

  #post(work: () => Promise<void>): void {
    // The next engine does what this one cannot do because it closes.
    this.#mailbox.post(work).catch(() => {});
  }

  #withToken(
    frameId: number,
    token: string,
    work: (frame: Frame, step: TaskStep) => Promise<void>,
  ): Promise<boolean> {
    return this.#mailbox.post(async () => {
      const frame = this.#progress.isRunning ? this.#progress.frame(frameId) : undefined;
      if (frame?.step.at !== "task" || frame.step.token !== token) return false;
      await work(frame, frame.step);
      return true;
    });
  }

  #waitingFrame(frameId: number, serial: number): Frame | undefined {
    const frame = this.#progress.frame(frameId);
    return frame && isWaiting(frame.step) && frame.step.serial === serial ? frame : undefined;
  }

  async #finish(frame: Frame, result: TaskResult): Promise<void> {
    if (result.error) return this.#progress.tasks.fail(frame, result.error);
    return this.#progress.tasks.succeed(frame, result.output);
  }

  async #resumeFrame(frame: Frame): Promise<void> {
    const { step } = frame;
    if (step.at === "enter" || step.at === "work") return this.#progress.makeReady(frame);
    if (step.at === "mapRun") return this.#progress.children.mapRuns.resume(frame);
    if (step.at !== "task" && step.at !== "wait" && step.at !== "backoff") return;
    this.#arm(frame);
    if (step.at !== "task") return;
    // At least once: a call that had no answer yet is made again, with the same token.
    if (!step.submitted || (step.call.kind === "execution" && step.call.sync)) this.#call(frame);
  }

  async #redriveFrame(frame: Frame): Promise<void> {
    const { at } = frame.step;
    if (at === "children") return this.#progress.attempt(frame, () => this.#refill(frame));
    if (at === "mapRun") return this.#progress.children.mapRuns.redrive(frame);
    if (at === "done") return;
    this.#ledger.update(frame, { retries: {}, retryCount: 0 });
    this.#progress.makeReady(frame);
  }

  #refill(frame: Frame): Promise<void> {
    return this.#progress.children.fill(frame);
  }

  async #onTimer(frameId: number, serial: number): Promise<void> {
    const frame = this.#waitingFrame(frameId, serial);
    if (!frame || !this.#progress.isRunning) return;
    const { step } = frame;
    if (step.at === "task") return this.#progress.tasks.onTimer(frame, step);
    if (step.at !== "wait" && step.at !== "backoff") return;
    // A timer may be shorter than the wait: see TIMER_DELAY_MS_MAX.
    if (this.#host.clock.now() < step.until) return this.#arm(frame);
    if (step.at === "backoff") return this.#progress.makeReady(frame);
    return this.#progress.finishState(frame);
  }

  #outside(): Outside {
    const host = this.#host;
    return {
      now: () => host.clock.now(),
      region: host.region,
      arm: (frame) => this.#arm(frame),
      cancel: (frame) => this.#cancel(frame),
      call: (frame) => this.#call(frame),
      startItem: (item) => host.startItem(this.header, item),
      findItem: (mapRunArn, index) => host.find(itemArn(mapRunArn, index)),
      stopAwaited: (frame) => this.#stopAwaited(frame),
      redriveItem: (mapRunArn, index) => {
        this.#effects.push(() => host.redriveItem(mapRunArn, index));
      },
    };
  }

  #arm(frame: Frame): void {
    const { step } = frame;
    const due = dueAt(step);
    if (due === undefined || !isWaiting(step)) return;
    this.#timers.set(frame.id, due, () => {
      this.#post(() => this.#onTimer(frame.id, step.serial));
    });
  }

  #armDeadline(): void {
    const { deadline } = this.header;
    if (deadline === null) return;
    this.#timers.set(DEADLINE, deadline, () => {
      this.#post(async () => {
        if (!this.#progress.isRunning || this.header.deadline === null) return;
        if (this.#host.clock.now() < this.header.deadline) return this.#armDeadline();
        this.#progress.end("TIMED_OUT", { error: { code: "States.Timeout", reason: null } });
      });
    });
  }

  #cancel(frame: Frame): void {
    this.#timers.clear(frame.id);
    if (frame.step.at !== "task") return;
    this.#calls.get(frame.step.serial)?.abort();
    this.#calls.delete(frame.step.serial);
  }

  #call(frame: Frame): void {
    const { step } = frame;
    if (step.at !== "task") return;
    this.#effects.push(() => {
      if (this.#waitingFrame(frame.id, step.serial) !== frame) return;
      const controller = new AbortController();
      this.#calls.set(step.serial, controller);
      void this.#host
        .perform({ header: this.header, frame, step, signal: controller.signal })
        .then((result) => this.#post(() => this.#onResult(frame.id, step.serial, result)));
    });
  }

  async #onResult(frameId: number, serial: number, result: TaskResult): Promise<void> {
    this.#calls.delete(serial);
    const frame = this.#waitingFrame(frameId, serial);
    if (!this.#progress.isRunning || frame?.step.at !== "task") return;
    const { step } = frame;
    if (result.error) return this.#finish(frame, result);
    const nested = step.call.kind === "execution" && step.call.sync ? step.call : undefined;
    if (step.token === undefined && !nested) return this.#finish(frame, result);
    if (!step.submitted) this.#progress.tasks.submitted(frame, step, result.output);
    const ended = nested && this.#host.findNested(nested.stateMachineArn, nested.name);
    if (ended && ended.status !== "RUNNING")
      await this.#progress.tasks.executionEnded(frame, ended);
  }

  #stopAwaited(frame: Frame): void {
    const { step } = frame;
    if (step.at !== "mapRun" && step.at !== "task") return;
    if (step.at === "task" && !(step.call.kind === "execution" && step.call.sync)) return;
    const { serial } = step;
    this.#effects.push(() =>
      this.#host.stopStartedBy(this.header.arn, { frame: frame.id, serial }),
    );
  }

  /** A fault of the engine itself: the execution is in an unknown state, so it ends. */
  #onFault(error: unknown): void {
    this.#host.logger.error({ err: error, arn: this.header.arn }, "execution met a fault");
    if (!this.#progress.isRunning) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#progress.end("FAILED", { error: { code: "States.Runtime", reason } });
  }

  /** Stores the change, then releases the effects that depend on it. */
  async #settle(): Promise<void> {
    this.#unstored ??= this.#ledger.take();
    if (this.#unstored) this.#host.store.appendChange(this.record, this.#unstored);
    this.#unstored = undefined;
    if (this.#host.store.settled) await this.#host.store.settled();
    const effects = this.#effects;
    this.#effects = [];
    for (const effect of effects) effect();
    if (this.#progress.isRunning || this.#isEndReported) return;
    this.#isEndReported = true;
    this.#timers.clear(DEADLINE);
    this.#host.onEnded(this.header);
  }
}

function dueAt(step: Frame["step"]): number | undefined {
  if (step.at === "wait" || step.at === "backoff") return step.until;
  if (step.at !== "task") return undefined;
  return Math.min(step.deadline, step.heartbeatDeadline ?? step.deadline);
}
