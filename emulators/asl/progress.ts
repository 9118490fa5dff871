import type { HistoryEventType } from "@aws-sdk/client-sfn";
import { keyOf } from "./arn.ts";
import { Children } from "./children.ts";
import { type Definition, type State, scopeAt, stateAt } from "./definition.ts";
import { bindingsOf, type StatesExtra, visibleVariables } from "./environment.ts";
import { runtimeError, StatesError } from "./errors.ts";
import type { ExecutionStatus } from "./execution-record.ts";
import type { Bindings } from "./expression.ts";
import type { Failure, Frame } from "./frame.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Ledger } from "./ledger.ts";
import { ASSIGN_BYTES_MAX, VARIABLES_BYTES_MAX } from "./limits.ts";
import type { Outside } from "./outside.ts";
import { requireSize } from "./payload-size.ts";
import { findCatcher, nextRetry } from "./retry.ts";
import { evaluateValues, type Outcome, type StateRun } from "./states/state-run.ts";
import { workOn } from "./states/work.ts";
import { errorOf } from "./task-events.ts";
import { Tasks } from "./tasks.ts";
import { evaluateTemplate } from "./template.ts";
import type { FrameStart, Transitions } from "./transitions.ts";

type Exit = {
  readonly output: Json;
  readonly assign: JsonObject;
  readonly next: string | undefined;
};

export type ProgressOptions = {
  readonly ledger: Ledger;
  readonly definition: Definition;
  readonly outside: Outside;
  readonly functions: Bindings;
};

/**
 * The transitions of one execution. Its methods are called one at a time; after each, every frame
 * is ready (`enter`, `work`), waiting, or finished.
 *
 *     enter → work ─→ exit → enter of the next state, or done
 *               ├──→ wait, task, children, mapRun ──→ exit
 *               └──→ error: backoff → work │ catch → exit │ failed, then the parent's error
 */
export class Progress implements Transitions {
  readonly ledger: Ledger;
  readonly outside: Outside;
  readonly tasks: Tasks;
  readonly children: Children;
  readonly #definition: Definition;
  readonly #functions: Bindings;
  readonly #ready = new Set<Frame>();

  constructor(options: ProgressOptions) {
    this.ledger = options.ledger;
    this.outside = options.outside;
    this.#definition = options.definition;
    this.#functions = options.functions;
    this.tasks = new Tasks(this);
    this.children = new Children(this);
  }

  get isRunning(): boolean {
    return this.ledger.header.status === "RUNNING";
  }

  get isReady(): boolean {
    return this.isRunning && this.#ready.size > 0;
  }

  frame(id: number): Frame | undefined {
    return this.ledger.record.frames.get(id);
  }

  parentOf(frame: Frame): Frame | undefined {
    return frame.parent === null ? undefined : this.frame(frame.parent);
  }

  stateOf(frame: Frame): State {
    return stateAt(scopeAt(this.#definition, frame.scope), frame.state);
  }

  startAt(path: Frame["scope"]): string {
    return scopeAt(this.#definition, path).StartAt;
  }

  /** Adds a frame that is about to enter the first state of its scope. */
  addFrame(start: FrameStart): void {
    const frame = this.ledger.add({
      ...start,
      variables: {},
      state: this.startAt(start.scope),
      enteredAt: 0,
      enteredEventId: 0,
      retryCount: 0,
      retries: {},
      step: { at: "enter" },
      items: null,
    });
    this.#ready.add(frame);
  }

  /** Makes the frame run its state again: after a backoff, a redrive, a restart. */
  makeReady(frame: Frame): void {
    this.outside.cancel(frame);
    if (frame.step.at !== "enter") this.ledger.update(frame, { step: { at: "work" } });
    this.#ready.add(frame);
  }

  unready(frame: Frame): void {
    this.#ready.delete(frame);
  }

  /** Advances every ready frame, each by at most `stepsMax` states. */
  async advance(stepsMax: number): Promise<void> {
    for (const frame of [...this.#ready]) {
      for (let step = 0; step < stepsMax && this.#ready.has(frame) && this.isRunning; step += 1) {
        await this.#step(frame);
      }
    }
  }

  async evaluate(frame: Frame, template: Json, field: string, extra: StatesExtra): Promise<Json> {
    const { record } = this.ledger;
    const bindings = bindingsOf(record, frame, this.#functions, extra);
    return evaluateTemplate(template, bindings, field);
  }

  /** Ends the frame's state with the result of its work, or without one. */
  async finishState(frame: Frame, result?: Json): Promise<void> {
    const state = this.stateOf(frame);
    await this.attempt(frame, async () => {
      if (result !== undefined) requireSize(result, { state: frame.state, what: "a result" });
      const values = await evaluateValues(
        this.#runOf(frame, state),
        "Output" in state || "Assign" in state ? state : {},
        { output: result ?? frame.input },
        result === undefined ? {} : { result },
      );
      await this.#exit(frame, { ...values, next: "Next" in state ? state.Next : undefined });
    });
  }

  /** Runs `work` for a frame's state; the state's Retry and Catch handle what it throws. */
  async attempt(frame: Frame, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.recover(frame, toStatesError(error));
    }
  }

  /** Decides about an error of the frame's state: retry it, catch it, or fail. */
  async recover(frame: Frame, cause: StatesError): Promise<void> {
    if (!this.isRunning) return;
    this.outside.cancel(frame);
    this.outside.stopAwaited(frame);
    this.children.abortBelow(frame);
    const error = this.#explain(frame, cause);
    const state = this.stateOf(frame);
    const retry = nextRetry(state, frame, error.code);
    if (retry) {
      this.children.discard(frame);
      const { retries, delayMs } = retry;
      const until = this.outside.now() + delayMs;
      const step = { at: "backoff", serial: this.ledger.nextSerial(), until } as const;
      this.ledger.update(frame, { retries, retryCount: frame.retryCount + 1, items: null, step });
      this.#ready.delete(frame);
      return this.outside.arm(frame);
    }
    const found = findCatcher(state, error.code);
    if (!found) return this.#fail(frame, error);
    this.children.discard(frame);
    try {
      const values = await evaluateValues(
        this.#runOf(frame, state),
        found.catcher,
        { output: error.output, at: `Catch[${found.at}]/` },
        { errorOutput: error.output },
      );
      await this.#exit(frame, { ...values, next: found.catcher.Next });
    } catch (second) {
      await this.#fail(frame, this.#explain(frame, toStatesError(second)));
    }
  }

  /** Ends the execution. Frames that still run stay as a redrive needs them. */
  end(
    status: Exclude<ExecutionStatus, "RUNNING">,
    details: { output?: Json; error?: Failure },
  ): void {
    if (status === "ABORTED" || status === "TIMED_OUT") {
      for (const frame of this.ledger.record.frames.values()) {
        if (frame.parent === null) this.children.abort(frame);
      }
    }
    this.#ready.clear();
    const { output, error } = details;
    const last = this.ledger.record.events.length;
    const event =
      output === undefined
        ? errorOf({ code: error?.code ?? "", reason: error?.reason ?? undefined })
        : { output: JSON.stringify(output), outputDetails: { truncated: false } };
    this.ledger.appendLast(endedEvents[status], last, event);
    this.ledger.updateHeader({
      status,
      stoppedAt: this.outside.now(),
      output: output === undefined ? null : JSON.stringify(output),
      error: error && error.code !== "" ? error.code : null,
      cause: error?.reason ?? null,
      eventCount: this.ledger.record.events.length,
      deadline: null,
    });
  }

  async #step(frame: Frame): Promise<void> {
    const state = this.stateOf(frame);
    await this.attempt(frame, async () => {
      if (frame.step.at === "enter") this.#enter(frame, state);
      await this.#apply(frame, await workOn(this.#runOf(frame, state)));
    });
  }

  #enter(frame: Frame, state: State): void {
    this.ledger.update(frame, {
      enteredAt: this.outside.now(),
      retryCount: 0,
      retries: {},
      items: null,
      step: { at: "work" },
    });
    const id = this.ledger.appendFor(frame, `${state.Type}StateEntered`, {
      name: frame.state,
      input: JSON.stringify(frame.input),
      inputDetails: { truncated: false },
    });
    this.ledger.update(frame, { enteredEventId: id });
  }

  async #apply(frame: Frame, outcome: Outcome): Promise<void> {
    switch (outcome.kind) {
      case "exit":
        return this.#exit(frame, outcome);
      case "wait": {
        const serial = this.ledger.nextSerial();
        this.#ready.delete(frame);
        this.ledger.update(frame, { step: { at: "wait", serial, until: outcome.until } });
        return this.outside.arm(frame);
      }
      case "task":
        this.#ready.delete(frame);
        return this.tasks.start(frame, outcome);
      case "branches":
      case "items":
      case "mapRun":
        this.#ready.delete(frame);
        return this.children.start(frame, outcome);
    }
  }

  async #exit(frame: Frame, values: Exit): Promise<void> {
    const state = this.stateOf(frame);
    const output = requireSize(values.output, { state: frame.state, what: "an output" });
    const variables = this.#assign(frame, values.assign);
    this.outside.cancel(frame);
    this.ledger.appendFor(frame, exitedEvent(state), {
      name: frame.state,
      output,
      outputDetails: { truncated: false },
      ...assignedVariables(values.assign),
    });
    this.children.discard(frame);
    // Only changed fields go into the journal.
    this.ledger.update(frame, {
      items: null,
      ...(variables !== frame.variables && { variables }),
      ...(values.output !== frame.input && { input: values.output }),
    });
    if (values.next !== undefined) {
      this.ledger.update(frame, { state: values.next, step: { at: "enter" } });
      this.#ready.add(frame);
      return;
    }
    this.#ready.delete(frame);
    this.ledger.update(frame, { step: { at: "done", output: values.output } });
    const parent = this.parentOf(frame);
    if (parent) return this.children.finished(parent, frame);
    this.end("SUCCEEDED", { output: values.output });
  }

  #assign(frame: Frame, assign: JsonObject): JsonObject {
    if (Object.keys(assign).length === 0) return frame.variables;
    const { state } = frame;
    requireSize(assign, { state, what: "assigned variables" }, ASSIGN_BYTES_MAX);
    const variables = { ...frame.variables, ...assign };
    const visible = { ...visibleVariables(this.ledger.record, frame), ...assign };
    requireSize(visible, { state, what: "variables" }, VARIABLES_BYTES_MAX);
    return variables;
  }

  async #fail(frame: Frame, error: StatesError): Promise<void> {
    this.#ready.delete(frame);
    const failure: Failure = { code: error.code, reason: error.reason ?? null };
    // A frame with children keeps its step: a redrive runs those that did not succeed again.
    if (frame.step.at !== "children" && frame.step.at !== "mapRun") {
      this.ledger.update(frame, { step: { at: "failed", failure } });
    }
    const parent = this.parentOf(frame);
    if (!parent) return this.end("FAILED", { error: failure });
    this.children.failed(parent, frame);
    await this.recover(parent, error);
  }

  /** Adds the position of a failed expression to the error, as AWS does, and writes its event. */
  #explain(frame: Frame, error: StatesError): StatesError {
    if (error.location === undefined) return error;
    const at = `(entered at the event id #${frame.enteredEventId})`;
    const reason = `An error occurred while executing the state '${frame.state}' ${at}. ${error.reason}`;
    const explained = new StatesError(error.code, reason);
    const details = { location: error.location, state: frame.state, ...errorOf(explained) };
    this.ledger.appendIfRoom(frame, "EvaluationFailed", details);
    return explained;
  }

  #runOf(frame: Frame, state: State): StateRun<State> {
    return {
      state,
      frame,
      executionKey: keyOf(this.ledger.header.arn),
      now: this.outside.now(),
      evaluate: (template, field, extra) => this.evaluate(frame, template, field, extra ?? {}),
    };
  }
}

const endedEvents = {
  SUCCEEDED: "ExecutionSucceeded",
  FAILED: "ExecutionFailed",
  TIMED_OUT: "ExecutionTimedOut",
  ABORTED: "ExecutionAborted",
} as const satisfies Record<string, HistoryEventType>;

/** A Fail state is never exited, so AWS has no event for it. */
function exitedEvent(state: State): HistoryEventType {
  if (state.Type === "Fail") throw runtimeError("A Fail state was left.");
  return `${state.Type}StateExited`;
}

function assignedVariables(assign: JsonObject): JsonObject {
  const names = Object.entries(assign);
  if (names.length === 0) return {};
  return {
    assignedVariables: Object.fromEntries(
      names.map(([name, value]) => [name, JSON.stringify(value)]),
    ),
    assignedVariablesDetails: { truncated: false },
  };
}

/**
 * An error that no state raised is a fault of this engine: it ends the execution with its stack.
 */
function toStatesError(error: unknown): StatesError {
  if (error instanceof StatesError) return error;
  return runtimeError(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
