import type { ServiceLogger } from "../aws/aws-json/answer.ts";
import type { Clock } from "../aws/clock.ts";
import { type Account, executionArn, itemArn, itemMachineArn, nameOf } from "./arn.ts";
import { itemProcessorPath } from "./definition.ts";
import { ServiceError, StatesError } from "./errors.ts";
import { Execution } from "./execution.ts";
import type { ExecutionHeader, ExecutionRecord, StartedBy } from "./execution-record.ts";
import { Executions } from "./executions.ts";
import type { CallJob, ExecutionHost, TaskResult } from "./host.ts";
import { jsonataFunctions } from "./jsonata-functions.ts";
import { deleting, Machines } from "./machines.ts";
import { requireName } from "./names.ts";
import type { ItemStart } from "./outside.ts";
import {
  callFunction,
  callIntegration,
  type Integration,
  type Invoke,
  serviceError,
} from "./perform-call.ts";
import type { FoundExecution, Store } from "./store/store.ts";

export type EngineOptions = {
  readonly account: Account;
  readonly clock: Clock;
  readonly store: Store;
  readonly invoke: Invoke;
  readonly integrations: Readonly<Record<string, Integration>>;
  readonly logger: ServiceLogger;
};

type StartInput = {
  readonly stateMachineArn: string;
  readonly name: string;
  readonly input: string;
  readonly startedBy?: StartedBy;
};

/** Executions open at once; AWS has 1,000,000 for an account. */
const OPEN_EXECUTIONS_MAX = 10_000;

/** State machines and their executions, without a protocol. */
export class Engine {
  readonly machines: Machines;
  readonly executions: Executions;
  readonly account: Account;
  readonly integrations: ReadonlySet<string>;
  readonly clock: Clock;
  readonly #options: EngineOptions;
  readonly #host: ExecutionHost;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.account = options.account;
    this.clock = options.clock;
    this.integrations = new Set(Object.keys(options.integrations));
    this.machines = new Machines(options.store, options.account);
    this.#host = this.#createHost();
    this.executions = new Executions({
      store: options.store,
      isDurable: options.store.isDurable,
      load: (record) => this.#load(record),
    });
  }

  /** Loads the stored executions, without resuming them yet. */
  load(): void {
    const { logger, store } = this.#options;
    for (const found of inOrderOfEnd(store.findExecutions())) {
      const header = found.running ? found.record.header : found.header;
      try {
        if (found.running) this.executions.add(this.#load(found.record));
        else this.executions.addEnded(found.header);
      } catch (error) {
        logger.error({ err: error, arn: header.arn }, "execution cannot go on");
      }
    }
    this.machines.tidy(this.executions.headers().map(({ definitionId }) => definitionId));
  }

  /** Resumes what was loaded. Resolves once every execution is running again. */
  async resume(): Promise<void> {
    const running = this.executions.open();
    await Promise.all(running.map((execution) => execution.resume()));
    for (const { header } of running) {
      const { startedBy } = header;
      if (!startedBy?.awaited) continue;
      const starter = this.executions.live(startedBy.executionArn);
      if (!starter?.awaits(startedBy)) await this.stop(header.arn, {});
    }
  }

  /**
   * Starts an execution, or returns the one that runs under this name with the same input.
   *
   * @throws ServiceError `InvalidName`, `StateMachineDoesNotExist`, `StateMachineDeleting`,
   * `ExecutionAlreadyExists`, `ExecutionLimitExceeded`
   */
  start(input: StartInput): Readonly<ExecutionHeader> {
    const machine = this.machines.get(input.stateMachineArn);
    const arn = executionArn(machine.arn, requireName(input.name));
    const existing = this.executions.find(arn);
    if (existing) {
      if (isStartedBy(existing, input.startedBy)) return existing;
      if (existing.status === "RUNNING" && existing.input === input.input) return existing;
      const message = `Execution Already Exists: '${arn}'`;
      throw new ServiceError("ExecutionAlreadyExists", message);
    }
    if (machine.status === "DELETING") throw deleting(machine.arn);
    if (this.executions.openCount >= OPEN_EXECUTIONS_MAX) {
      const message = `Expected at most ${OPEN_EXECUTIONS_MAX} open executions`;
      throw new ServiceError("ExecutionLimitExceeded", message);
    }
    return this.#begin({
      ...newHeader(this.clock.now()),
      arn,
      name: input.name,
      stateMachineArn: machine.arn,
      roleArn: machine.roleArn,
      definitionId: machine.definitionId,
      scope: [],
      input: input.input,
      startedBy: input.startedBy ?? null,
      mapItem: null,
    });
  }

  async stop(arn: string, failure: { error?: string; cause?: string }): Promise<void> {
    const { error, cause } = failure;
    await this.executions.live(arn)?.stop({ error, cause });
  }

  async redrive(arn: string, clientToken?: string): Promise<void> {
    await this.executions.reopen(arn).redrive(clientToken);
  }

  /** Deletes a machine; if executions of it run, once the last of them has ended. */
  deleteMachine(arn: string): void {
    if (!this.machines.find(arn)) return;
    if (this.executions.hasOpen(arn)) this.machines.markDeleting(arn);
    else this.machines.remove(arn);
  }

  /** Stops at once. An engine that is started over the same store resumes the executions. */
  async close(): Promise<void> {
    await this.executions.close();
    this.#options.store.close();
  }

  #load(record: ExecutionRecord): Execution {
    return new Execution(this.#host, record, this.machines.definition(record.header.definitionId));
  }

  #begin(header: ExecutionHeader): Readonly<ExecutionHeader> {
    const timeoutMs = this.#host.timeoutMs(header);
    if (timeoutMs !== undefined) header.deadline = header.startedAt + timeoutMs;
    const execution = this.#load({ header, frames: new Map(), events: [] });
    execution.begin();
    this.executions.add(execution);
    return header;
  }

  #createHost(): ExecutionHost {
    const { clock, store, logger, account } = this.#options;
    return {
      clock,
      store,
      logger,
      region: account.region,
      functions: jsonataFunctions(() => clock.now()),
      timeoutMs: (header) => this.#timeoutMs(header),
      perform: (job) => this.#perform(job),
      find: (arn) => this.executions.find(arn),
      findNested: (machineArn, name) => this.executions.find(executionArn(machineArn, name)),
      startItem: (parent, item) => this.#startItem(parent, item),
      redriveItem: (mapRunArn, index) => {
        const arn = itemArn(mapRunArn, index);
        this.redrive(arn).catch((error: unknown) => {
          logger.error({ err: error, arn }, "item was not redriven");
        });
      },
      stopStartedBy: (arn, starter) => this.#stopStartedBy(arn, starter),
      onEnded: (header) => this.#onEnded(header),
    };
  }

  #timeoutMs(header: Readonly<ExecutionHeader>): number | undefined {
    if (header.scope.length > 0) return undefined;
    const { TimeoutSeconds } = this.machines.definition(header.definitionId);
    return TimeoutSeconds === undefined ? undefined : TimeoutSeconds * 1000;
  }

  async #perform(job: CallJob): Promise<TaskResult> {
    const { call } = job.step;
    const { invoke, integrations } = this.#options;
    if (call.kind === "function") return callFunction(job, call, invoke);
    if (call.kind === "integration") {
      const integration = integrations[call.name];
      if (integration) return callIntegration(job, call.arguments, integration);
      const missing = new Error(`The engine was started without ${call.name}`);
      return { error: serviceError("DynamoDB", missing, "SdkClientException") };
    }
    try {
      const { arn, startedAt } = this.start({
        stateMachineArn: call.stateMachineArn,
        name: call.name,
        input: call.input,
        startedBy: {
          executionArn: job.header.arn,
          frame: job.frame.id,
          serial: job.step.serial,
          awaited: call.sync,
        },
      });
      return { output: { ExecutionArn: arn, StartDate: new Date(startedAt).toISOString() } };
    } catch (error) {
      const { message } = error as Error;
      const name = error instanceof ServiceError ? `${error.code}Exception` : "SdkClientException";
      return { error: new StatesError(`StepFunctions.${name}`, message) };
    }
  }

  #startItem(parent: Readonly<ExecutionHeader>, item: ItemStart): void {
    const arn = itemArn(item.mapRunArn, item.index);
    if (this.executions.find(arn)) return;
    this.#begin({
      ...newHeader(this.clock.now()),
      arn,
      name: nameOf(arn),
      stateMachineArn: itemMachineArn(item.mapRunArn),
      roleArn: parent.roleArn,
      definitionId: parent.definitionId,
      scope: itemProcessorPath(item.frame.scope, item.frame.state),
      input: JSON.stringify(item.input),
      startedBy: {
        executionArn: parent.arn,
        frame: item.frame.id,
        serial: item.serial,
        awaited: true,
      },
      mapItem: { mapRunArn: item.mapRunArn, index: item.index, value: item.value },
    });
  }

  #stopStartedBy(arn: string, starter: Pick<StartedBy, "frame" | "serial">): void {
    for (const execution of this.executions.startedBy(arn, starter)) {
      // It may have ended already. If the engine is closing, the next engine stops it.
      execution.stop({ error: undefined, cause: undefined }).catch(() => {});
    }
  }

  #onEnded(header: Readonly<ExecutionHeader>): void {
    const { arn, status, error, cause } = header;
    this.#options.logger.debug({ arn, status, error, cause }, "execution has ended");
    this.executions.markEnded(arn);
    const { startedBy } = header;
    if (startedBy?.awaited) {
      const starter = this.executions.live(startedBy.executionArn);
      starter?.childEnded(startedBy, header.arn, header.redriveCount);
    }
    const machine = this.machines.find(header.stateMachineArn);
    if (machine?.status === "DELETING") this.deleteMachine(machine.arn);
  }
}

type FixedAtStart =
  | "arn"
  | "name"
  | "stateMachineArn"
  | "roleArn"
  | "definitionId"
  | "scope"
  | "input"
  | "startedBy"
  | "mapItem";

function newHeader(now: number): Omit<ExecutionHeader, FixedAtStart> {
  return {
    startedAt: now,
    status: "RUNNING",
    stoppedAt: null,
    output: null,
    error: null,
    cause: null,
    eventCount: 0,
    deadline: null,
    redriveCount: 0,
    redrivenAt: null,
    redriveClientToken: null,
    serial: 0,
    nextFrame: 1,
  };
}

/**
 * Whether the same task of the same execution started it before a crash, and starts it again now.
 */
function isStartedBy(existing: Readonly<ExecutionHeader>, starter: StartedBy | undefined): boolean {
  if (!starter || !existing.startedBy) return false;
  const { executionArn: arn, frame, serial } = existing.startedBy;
  return arn === starter.executionArn && frame === starter.frame && serial === starter.serial;
}

/** Sorted by end: ended executions are evicted in this order. */
function inOrderOfEnd(found: readonly FoundExecution[]): FoundExecution[] {
  const endedAt = (each: FoundExecution) => (each.running ? 0 : (each.header.stoppedAt ?? 0));
  return [...found].sort((a, b) => endedAt(a) - endedAt(b));
}
