import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { keyOf, mapRunArn } from "./arn.ts";
import type { MapState } from "./definition.ts";
import { StatesError } from "./errors.ts";
import type { ExecutionStatus } from "./execution-record.ts";
import type { Frame, MapRunStep } from "./frame.ts";
import { itemInput } from "./item-input.ts";
import type { Json } from "./json.ts";
import type { Outcome } from "./states/state-run.ts";
import { errorOf } from "./task-events.ts";
import type { Transitions } from "./transitions.ts";

const STARTS_IN_A_ROW = 50;

/** Distributed Maps: each item is an execution of its own, and some may fail. */
export class MapRuns {
  readonly #transitions: Transitions;

  constructor(transitions: Transitions) {
    this.#transitions = transitions;
  }

  async start(frame: Frame, outcome: Extract<Outcome, { kind: "mapRun" }>): Promise<void> {
    const { ledger } = this.#transitions;
    const { Label } = this.#transitions.stateOf(frame) as MapState;
    const label = Label ?? keyOf(frame.state);
    const arn = mapRunArn(ledger.header.stateMachineArn, label, randomUUID());
    const { toleratedCount, toleratedPercentage } = outcome;
    const step: MapRunStep = {
      at: "mapRun",
      serial: ledger.nextSerial(),
      mapRunArn: arn,
      total: outcome.items.length,
      started: 0,
      succeeded: 0,
      failed: 0,
      concurrency: outcome.concurrency,
      ...(toleratedCount !== undefined && { toleratedCount }),
      ...(toleratedPercentage !== undefined && { toleratedPercentage }),
    };
    ledger.appendFor(frame, "MapRunStarted", { mapRunArn: arn });
    ledger.update(frame, { items: outcome.items, step });
    await this.#fill(frame);
  }

  async itemEnded(frame: Frame, status: ExecutionStatus): Promise<void> {
    const step = stepOf(frame);
    if (!step) return;
    await this.#transitions.attempt(frame, async () => {
      const change =
        status === "SUCCEEDED" ? { succeeded: step.succeeded + 1 } : { failed: step.failed + 1 };
      this.#transitions.ledger.update(frame, { step: { ...step, ...change } });
      await this.#fill(frame);
    });
  }

  /** Counts the results of the items again, after a restart. */
  async resume(frame: Frame): Promise<void> {
    const step = stepOf(frame);
    if (!step) return;
    await this.#transitions.attempt(frame, async () => {
      this.#transitions.ledger.update(frame, { step: { ...step, ...this.#count(step) } });
      await this.#fill(frame);
    });
  }

  /** Redrives the items that did not succeed. */
  async redrive(frame: Frame): Promise<void> {
    const step = stepOf(frame);
    if (!step) return;
    const { ledger, outside } = this.#transitions;
    ledger.update(frame, { step: { ...step, failed: 0 } });
    ledger.appendFor(frame, "MapRunRedriven", { mapRunArn: step.mapRunArn });
    for (let index = 0; index < step.started; index += 1) {
      const status = outside.findItem(step.mapRunArn, index)?.status;
      if (status !== "SUCCEEDED") outside.redriveItem(step.mapRunArn, index);
    }
    await this.#transitions.attempt(frame, () => this.#fill(frame));
  }

  async #fill(frame: Frame): Promise<void> {
    const { ledger, outside } = this.#transitions;
    for (;;) {
      const step = stepOf(frame);
      if (!step) return;
      this.#requireTolerable(frame, step);
      const ended = step.succeeded + step.failed;
      if (ended === step.total) break;
      if (step.started === step.total || step.started - ended >= step.concurrency) return;
      const { started: index, mapRunArn: arn, serial } = step;
      const input = await itemInput(this.#transitions, frame, index);
      const value = frame.items?.[index] ?? null;
      ledger.update(frame, { step: { ...step, started: index + 1 } });
      // Each start is a write; other work of the process runs in between.
      if (index % STARTS_IN_A_ROW === STARTS_IN_A_ROW - 1) await setImmediate();
      outside.startItem({ frame, mapRunArn: arn, serial, index, value, input });
    }
    await this.#join(frame);
  }

  async #join(frame: Frame): Promise<void> {
    const step = stepOf(frame);
    if (!step) return;
    const { ledger, outside } = this.#transitions;
    const outputs: Json[] = [];
    for (let index = 0; index < step.total; index += 1) {
      const output = outside.findItem(step.mapRunArn, index)?.output;
      if (output !== null && output !== undefined) outputs.push(JSON.parse(output) as Json);
    }
    ledger.appendFor(frame, "MapRunSucceeded", null);
    ledger.appendFor(frame, "MapStateSucceeded", null);
    await this.#transitions.finishState(frame, outputs);
  }

  #count(step: MapRunStep): { succeeded: number; failed: number } {
    const count = { succeeded: 0, failed: 0 };
    for (let index = 0; index < step.started; index += 1) {
      const status = this.#transitions.outside.findItem(step.mapRunArn, index)?.status;
      if (status === "SUCCEEDED") count.succeeded += 1;
      // An item whose execution was lost with its journal has failed: its result never arrives.
      else if (status !== "RUNNING") count.failed += 1;
    }
    return count;
  }

  /** @throws StatesError `States.ExceedToleratedFailureThreshold` */
  #requireTolerable(frame: Frame, step: MapRunStep): void {
    const { failed, total, toleratedCount, toleratedPercentage } = step;
    if (failed === 0) return;
    const overCount = toleratedCount !== undefined && failed > toleratedCount;
    const overPercentage =
      toleratedPercentage !== undefined && (failed / total) * 100 > toleratedPercentage;
    const unbounded = toleratedCount === undefined && toleratedPercentage === undefined;
    if (!overCount && !overPercentage && !unbounded) return;
    const error = new StatesError(
      "States.ExceedToleratedFailureThreshold",
      "The specified tolerated failure threshold was exceeded",
    );
    this.#transitions.ledger.appendIfRoom(frame, "MapRunFailed", errorOf(error));
    this.#transitions.ledger.appendIfRoom(frame, "MapStateFailed", null);
    throw error;
  }
}

function stepOf(frame: Frame): MapRunStep | undefined {
  return frame.step.at === "mapRun" ? frame.step : undefined;
}
