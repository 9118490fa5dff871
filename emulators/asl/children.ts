import type { HistoryEventType } from "@aws-sdk/client-sfn";
import type { MapState } from "./definition.ts";
import { itemProcessorPath } from "./definition.ts";
import { StatesError } from "./errors.ts";
import type { ChildrenStep, Frame } from "./frame.ts";
import type { Json, JsonObject } from "./json.ts";
import { HISTORY_EVENTS_MAX } from "./limits.ts";
import { MapRuns } from "./map-runs.ts";
import { requireSize } from "./payload-size.ts";
import type { Progress } from "./progress.ts";
import type { Outcome } from "./states/state-run.ts";

type FanOut = Extract<Outcome, { kind: "branches" | "items" | "mapRun" }>;

/** Frames below a Parallel or a Map: started, joined, aborted, discarded. */
export class Children {
  readonly mapRuns: MapRuns;
  readonly #progress: Progress;

  constructor(progress: Progress) {
    this.#progress = progress;
    this.mapRuns = new MapRuns(progress);
  }

  async start(frame: Frame, outcome: FanOut): Promise<void> {
    const { ledger } = this.#progress;
    if (outcome.kind === "mapRun") {
      ledger.appendFor(frame, "MapStateStarted", { length: outcome.items.length });
      return this.mapRuns.start(frame, outcome);
    }
    if (outcome.kind === "branches") {
      const total = outcome.scopes.length;
      ledger.appendFor(frame, "ParallelStateStarted", null);
      const step = {
        at: "children",
        total,
        started: total,
        finished: 0,
        concurrency: total,
      } as const;
      ledger.update(frame, { step });
      for (const [index, scope] of outcome.scopes.entries()) {
        const { id: parent, lastEventId } = frame;
        this.#progress.addFrame({ parent, index, scope, input: outcome.input, lastEventId });
      }
      return;
    }
    const { items, concurrency } = outcome;
    ledger.appendFor(frame, "MapStateStarted", { length: items.length });
    const step = {
      at: "children",
      total: items.length,
      started: 0,
      finished: 0,
      concurrency,
    } as const;
    ledger.update(frame, { items, step });
    await this.fill(frame);
  }

  /** Starts iterations up to the concurrency, and joins when none is left. */
  async fill(frame: Frame): Promise<void> {
    const { ledger } = this.#progress;
    for (;;) {
      const step = stepOf(frame);
      if (!step || step.finished === step.total) break;
      if (step.started === step.total || step.started - step.finished >= step.concurrency) return;
      const input = await this.itemInput(frame, step.started);
      const details = { name: frame.state, index: step.started };
      const lastEventId = ledger.append("MapIterationStarted", frame.lastEventId, details);
      ledger.update(frame, { step: { ...step, started: step.started + 1 } });
      const scope = itemProcessorPath(frame.scope, frame.state);
      const { id: parent } = frame;
      this.#progress.addFrame({ parent, index: step.started, scope, input, lastEventId });
    }
    await this.#join(frame);
  }

  /** What an iteration starts with: the item, or what ItemSelector makes of it. */
  async itemInput(frame: Frame, index: number): Promise<Json> {
    const { ItemSelector } = this.#progress.stateOf(frame) as MapState;
    const value = frame.items?.[index] ?? null;
    if (ItemSelector === undefined) return value;
    const item = { index, value };
    const input = await this.#progress.evaluate(frame, ItemSelector, "ItemSelector", { item });
    requireSize(input, { state: frame.state, what: "an item" });
    return input;
  }

  /** A branch or an iteration has come to its end. */
  async finished(parent: Frame, child: Frame): Promise<void> {
    const step = stepOf(parent);
    if (!step) return;
    const { ledger } = this.#progress;
    await this.#progress.attempt(parent, async () => {
      if (parent.items) {
        const details = { name: parent.state, index: child.index };
        ledger.appendFor(child, "MapIterationSucceeded", details);
      }
      const finished = step.finished + 1;
      ledger.update(parent, { step: { ...step, finished }, lastEventId: child.lastEventId });
      await this.fill(parent);
    });
  }

  /** A branch or an iteration has failed: the others are of no use any more. */
  failed(parent: Frame, child: Frame): void {
    if (parent.items) {
      this.note(child, "MapIterationFailed", { name: parent.state, index: child.index });
    }
    this.abortBelow(parent);
    this.#progress.ledger.update(parent, { lastEventId: child.lastEventId });
    const isMap = this.#progress.stateOf(parent).Type === "Map";
    this.note(parent, isMap ? "MapStateFailed" : "ParallelStateFailed", null);
  }

  /** Takes the frame and all below it out of work, keeping them for a redrive. */
  abort(frame: Frame): void {
    this.abortBelow(frame);
    const { at } = frame.step;
    if (at === "done" || at === "failed" || at === "aborted") return;
    const { ledger, outside } = this.#progress;
    this.#progress.unready(frame);
    outside.cancel(frame);
    outside.stopAwaited(frame);
    const type = at === "enter" ? undefined : abortedEvents[this.#progress.stateOf(frame).Type];
    if (type) this.note(frame, type, null);
    // A frame with children keeps its step: a redrive goes on with those that did not succeed.
    if (at !== "children" && at !== "mapRun" && at !== "enter") {
      ledger.update(frame, { step: { at: "aborted" } });
    }
  }

  /** As `abort`, for the frames below only. */
  abortBelow(frame: Frame): void {
    for (const child of this.below(frame)) {
      const wasWorking = !["done", "failed", "aborted"].includes(child.step.at);
      this.abort(child);
      if (!wasWorking || !frame.items) continue;
      this.note(child, "MapIterationAborted", { name: frame.state, index: child.index });
    }
  }

  /** Forgets all frames below: their state is left, or begins again. */
  discard(frame: Frame): void {
    for (const child of this.below(frame)) {
      this.discard(child);
      this.#progress.unready(child);
      this.#progress.outside.cancel(child);
      this.#progress.ledger.remove(child);
    }
  }

  below(frame: Frame): Frame[] {
    // Only these steps have children, and looking through all frames is not free.
    if (frame.step.at !== "children") return [];
    const { frames } = this.#progress.ledger.record;
    return [...frames.values()].filter((each) => each.parent === frame.id);
  }

  /** Writes an event that may be missed when the history is full: the execution is ending anyway. */
  note(frame: Frame, type: HistoryEventType, details: JsonObject | null): void {
    if (this.#progress.ledger.record.events.length >= HISTORY_EVENTS_MAX - 1) return;
    this.#progress.ledger.appendFor(frame, type, details);
  }

  async #join(frame: Frame): Promise<void> {
    const children = this.below(frame).sort((a, b) => a.index - b.index);
    const outputs = children.map(({ step }) => {
      if (step.at === "done") return step.output;
      throw new StatesError("States.Runtime", "A branch was joined before its end.");
    });
    const isMap = this.#progress.stateOf(frame).Type === "Map";
    const type = isMap ? "MapStateSucceeded" : "ParallelStateSucceeded";
    this.#progress.ledger.appendFor(frame, type, null);
    await this.#progress.finishState(frame, outputs);
  }
}

const abortedEvents: Readonly<Record<string, HistoryEventType>> = {
  Task: "TaskStateAborted",
  Wait: "WaitStateAborted",
  Parallel: "ParallelStateAborted",
  Map: "MapStateAborted",
};

function stepOf(frame: Frame): ChildrenStep | undefined {
  return frame.step.at === "children" ? frame.step : undefined;
}
