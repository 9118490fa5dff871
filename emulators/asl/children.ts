import type { HistoryEventType } from "@aws-sdk/client-sfn";
import { itemProcessorPath } from "./definition.ts";
import { StatesError } from "./errors.ts";
import type { ChildrenStep, Frame } from "./frame.ts";
import { itemInput } from "./item-input.ts";
import { MapRuns } from "./map-runs.ts";
import type { Outcome } from "./states/state-run.ts";
import type { Transitions } from "./transitions.ts";

type FanOut = Extract<Outcome, { kind: "branches" | "items" | "mapRun" }>;

/** Starts, joins, aborts and discards the frames below a Parallel or a Map. */
export class Children {
  readonly mapRuns: MapRuns;
  readonly #transitions: Transitions;

  constructor(transitions: Transitions) {
    this.#transitions = transitions;
    this.mapRuns = new MapRuns(transitions);
  }

  async start(frame: Frame, outcome: FanOut): Promise<void> {
    const { ledger } = this.#transitions;
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
        this.#transitions.addFrame({ parent, index, scope, input: outcome.input, lastEventId });
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
    const { ledger } = this.#transitions;
    for (;;) {
      const step = stepOf(frame);
      if (!step || step.finished === step.total) break;
      if (step.started === step.total || step.started - step.finished >= step.concurrency) return;
      const input = await itemInput(this.#transitions, frame, step.started);
      const details = { name: frame.state, index: step.started };
      const lastEventId = ledger.append("MapIterationStarted", frame.lastEventId, details);
      ledger.update(frame, { step: { ...step, started: step.started + 1 } });
      const scope = itemProcessorPath(frame.scope, frame.state);
      const { id: parent } = frame;
      this.#transitions.addFrame({ parent, index: step.started, scope, input, lastEventId });
    }
    await this.#join(frame);
  }

  /** Called when a branch or an iteration has ended. */
  async finished(parent: Frame, child: Frame): Promise<void> {
    const step = stepOf(parent);
    if (!step) return;
    const { ledger } = this.#transitions;
    await this.#transitions.attempt(parent, async () => {
      if (parent.items) {
        const details = { name: parent.state, index: child.index };
        ledger.appendFor(child, "MapIterationSucceeded", details);
      }
      const finished = step.finished + 1;
      ledger.update(parent, { step: { ...step, finished }, lastEventId: child.lastEventId });
      await this.fill(parent);
    });
  }

  /** Called when a branch or an iteration has failed: aborts the others. */
  failed(parent: Frame, child: Frame): void {
    if (parent.items) {
      this.#transitions.ledger.appendIfRoom(child, "MapIterationFailed", {
        name: parent.state,
        index: child.index,
      });
    }
    this.abortBelow(parent);
    this.#transitions.ledger.update(parent, { lastEventId: child.lastEventId });
    const isMap = this.#transitions.stateOf(parent).Type === "Map";
    this.#transitions.ledger.appendIfRoom(
      parent,
      isMap ? "MapStateFailed" : "ParallelStateFailed",
      null,
    );
  }

  /** Stops the frame and all frames below it, and keeps them for a redrive. */
  abort(frame: Frame): void {
    this.abortBelow(frame);
    const { at } = frame.step;
    if (at === "done" || at === "failed" || at === "aborted") return;
    const { ledger, outside } = this.#transitions;
    this.#transitions.unready(frame);
    outside.cancel(frame);
    outside.stopAwaited(frame);
    const type = at === "enter" ? undefined : abortedEvents[this.#transitions.stateOf(frame).Type];
    if (type) this.#transitions.ledger.appendIfRoom(frame, type, null);
    // A frame with children keeps its step: a redrive runs those that did not succeed again.
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
      this.#transitions.ledger.appendIfRoom(child, "MapIterationAborted", {
        name: frame.state,
        index: child.index,
      });
    }
  }

  /** Removes all frames below: their state has been exited, or starts again. */
  discard(frame: Frame): void {
    for (const child of this.below(frame)) {
      this.discard(child);
      this.#transitions.unready(child);
      this.#transitions.outside.cancel(child);
      this.#transitions.ledger.remove(child);
    }
  }

  below(frame: Frame): Frame[] {
    // Only these steps have children, and searching all frames costs time.
    if (frame.step.at !== "children") return [];
    const { frames } = this.#transitions.ledger.record;
    return [...frames.values()].filter((each) => each.parent === frame.id);
  }

  async #join(frame: Frame): Promise<void> {
    const children = this.below(frame).sort((a, b) => a.index - b.index);
    const outputs = children.map(({ step }) => {
      if (step.at === "done") return step.output;
      throw new StatesError("States.Runtime", "A branch was joined before its end.");
    });
    const isMap = this.#transitions.stateOf(frame).Type === "Map";
    const type = isMap ? "MapStateSucceeded" : "ParallelStateSucceeded";
    this.#transitions.ledger.appendFor(frame, type, null);
    await this.#transitions.finishState(frame, outputs);
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
