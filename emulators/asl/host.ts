import type { ServiceLogger } from "../aws/aws-json/answer.ts";
import type { Clock } from "../aws/clock.ts";
import type { StatesError } from "./errors.ts";
import type { ExecutionHeader, StartedBy } from "./execution-record.ts";
import type { Bindings } from "./expression.ts";
import type { Frame, TaskStep } from "./frame.ts";
import type { Json } from "./json.ts";
import type { ItemStart } from "./outside.ts";
import type { Store } from "./store/store.ts";

/** Result of a task: its output, or the error it failed with. */
export type TaskResult =
  | { readonly output: Json; readonly error?: undefined }
  | { readonly error: StatesError };

/** A task's call. */
export type CallJob = {
  readonly header: Readonly<ExecutionHeader>;
  readonly frame: Frame;
  readonly step: TaskStep;
  /** Aborted when the answer is no longer needed. */
  readonly signal: AbortSignal;
};

/** The engine, as an execution uses it. */
export type ExecutionHost = {
  readonly clock: Clock;
  readonly region: string;
  readonly store: Store;
  readonly logger: ServiceLogger;
  /** Functions for expressions. */
  readonly functions: Bindings;
  /** TimeoutSeconds of the machine, for the execution's own scope. */
  timeoutMs(header: Readonly<ExecutionHeader>): number | undefined;
  /** Never rejects. */
  perform(job: CallJob): Promise<TaskResult>;
  find(arn: string): Readonly<ExecutionHeader> | undefined;
  findNested(stateMachineArn: string, name: string): Readonly<ExecutionHeader> | undefined;
  startItem(parent: Readonly<ExecutionHeader>, item: ItemStart): void;
  redriveItem(mapRunArn: string, index: number): void;
  stopStartedBy(executionArn: string, starter: Pick<StartedBy, "frame" | "serial">): void;
  onEnded(header: Readonly<ExecutionHeader>): void;
};
