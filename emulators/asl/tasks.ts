import type { TaskState } from "./definition.ts";
import { StatesError } from "./errors.ts";
import type { ExecutionHeader } from "./execution-record.ts";
import type { Frame, TaskStep } from "./frame.ts";
import type { Json, JsonObject } from "./json.ts";
import { SECONDS_MAX } from "./limits.ts";
import { requireSize } from "./payload-size.ts";
import { parseResource, type Resource } from "./resource.ts";
import type { TaskOutcome } from "./states/state-run.ts";
import {
  type EventDraft,
  failedEvent,
  scheduledEvents,
  submittedEvent,
  succeededEvent,
  timedOutEvent,
} from "./task-events.ts";
import type { Transitions } from "./transitions.ts";

/** The life of a Task: scheduled, submitted, and finished by an answer, a token or a deadline. */
export class Tasks {
  readonly #transitions: Transitions;

  constructor(transitions: Transitions) {
    this.#transitions = transitions;
  }

  async start(frame: Frame, task: TaskOutcome): Promise<void> {
    const { ledger, outside } = this.#transitions;
    requireSize(task.parameters, { state: frame.state, what: "arguments" });
    for (const event of scheduledEvents(task, outside.region)) this.#append(frame, event);
    const now = outside.now();
    const { call, token, heartbeatSeconds } = task;
    const step: TaskStep = {
      at: "task",
      serial: ledger.nextSerial(),
      call,
      submitted: false,
      deadline: now + (task.timeoutSeconds ?? SECONDS_MAX) * 1000,
      ...(token !== undefined && { token }),
      ...(heartbeatSeconds !== undefined && {
        heartbeatMs: heartbeatSeconds * 1000,
        heartbeatDeadline: now + heartbeatSeconds * 1000,
      }),
    };
    ledger.update(frame, { step });
    outside.arm(frame);
    outside.call(frame);
  }

  /** The call was answered; the task now waits for its token, or for a nested execution. */
  submitted(frame: Frame, step: TaskStep, output: Json): void {
    const event = submittedEvent(this.#resourceOf(frame), output);
    if (event) this.#append(frame, event);
    this.#transitions.ledger.update(frame, { step: { ...step, submitted: true } });
  }

  async succeed(frame: Frame, output: Json): Promise<void> {
    await this.#transitions.attempt(frame, async () => {
      requireSize(output, { state: frame.state, what: "a result" });
      this.#append(frame, succeededEvent(this.#resourceOf(frame), output));
      await this.#transitions.finishState(frame, output);
    });
  }

  async fail(frame: Frame, error: StatesError): Promise<void> {
    await this.#transitions.attempt(frame, async () => {
      this.#append(frame, failedEvent(this.#resourceOf(frame), error));
      throw error;
    });
  }

  /** The nested execution that a task of `.sync:2` waits for has ended. */
  async executionEnded(frame: Frame, ended: Readonly<ExecutionHeader>): Promise<void> {
    const description = describe(ended);
    if (ended.status === "SUCCEEDED") return this.succeed(frame, description);
    const cause = JSON.stringify(description);
    return this.fail(frame, new StatesError("States.TaskFailed", cause));
  }

  /** Restarts the heartbeat timeout. */
  heartbeat(frame: Frame, step: TaskStep): void {
    if (step.heartbeatMs === undefined) return;
    const heartbeatDeadline = this.#transitions.outside.now() + step.heartbeatMs;
    this.#transitions.ledger.update(frame, { step: { ...step, heartbeatDeadline } });
    this.#transitions.outside.arm(frame);
  }

  /** A deadline may have passed: the earlier of the two decides. */
  async onTimer(frame: Frame, step: TaskStep): Promise<void> {
    const now = this.#transitions.outside.now();
    const heartbeatDeadline = step.heartbeatDeadline ?? Number.POSITIVE_INFINITY;
    if (now < Math.min(step.deadline, heartbeatDeadline)) {
      this.#transitions.outside.arm(frame);
      return;
    }
    const code = heartbeatDeadline < step.deadline ? "States.HeartbeatTimeout" : "States.Timeout";
    const error = new StatesError(code);
    await this.#transitions.attempt(frame, async () => {
      this.#append(frame, timedOutEvent(this.#resourceOf(frame), error));
      throw error;
    });
  }

  #append(frame: Frame, [type, details]: EventDraft): void {
    this.#transitions.ledger.appendFor(frame, type, details);
  }

  #resourceOf(frame: Frame): Resource {
    const text = (this.#transitions.stateOf(frame) as TaskState).Resource;
    return parseResource(text) ?? { kind: "function", arn: text };
  }
}

/** The result of `.sync:2`: like DescribeExecution, with JSON in place of text. */
function describe(ended: Readonly<ExecutionHeader>): JsonObject {
  return {
    ExecutionArn: ended.arn,
    Input: JSON.parse(ended.input) as Json,
    InputDetails: { Included: true },
    Name: ended.name,
    ...(ended.output !== null && {
      Output: JSON.parse(ended.output) as Json,
      OutputDetails: { Included: true },
    }),
    ...(ended.error !== null && { Error: ended.error }),
    ...(ended.cause !== null && { Cause: ended.cause }),
    RedriveCount: ended.redriveCount,
    StartDate: new Date(ended.startedAt).toISOString(),
    StateMachineArn: ended.stateMachineArn,
    Status: ended.status,
    ...(ended.stoppedAt !== null && { StopDate: new Date(ended.stoppedAt).toISOString() }),
  };
}
