import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
} from "@aws-sdk/client-sfn";
import { z } from "zod";
import { isFinal, type Migration } from "../../../core/migration/migration.ts";
import { migrationTasks } from "../../../core/migration/tasks.ts";
import type { MigrationPolicy } from "../../../core/negotiate/policy.ts";
import type { Vm } from "../../../core/vm.ts";
import { startStepFunctions } from "../../../emulators/asl/server.ts";
import { functionRegistry } from "../../../emulators/aws/lambda/registry.ts";
import { startLambda } from "../../../emulators/aws/lambda/server.ts";
import { handler as agentEvents } from "../../../functions/agent-events/index.ts";
import { stepFunctions } from "../../../functions/runtime/clients.ts";
import { taskHandlers } from "../../../functions/task/tasks.ts";
import { refsOf } from "../../../workflows/asl.ts";
import { migrationDefinition } from "../../../workflows/migration.ts";
import { startTestCloud, type TestCloud } from "../../functions/testing/cloud.ts";
import { definition } from "../../functions/testing/fixtures.ts";
import {
  addHost,
  addMigration,
  addVm,
  operate,
  type TestAgent,
} from "../../functions/testing/fleet.ts";
import { type Course, Hosts, MEMORY_BYTES } from "./hosts.ts";
import { SkippingClock } from "./skipping-clock.ts";

const ACCOUNT = { region: "eu-central-1", accountId: "123456789012" };
/** Nothing has happened in so many turns, however long they took: everybody waits for time to pass. */
const IDLE_TURNS = 12;
/** Of each host, in each direction. */
const SLOTS = 2;
/** Real time for one migration. */
const PATIENCE_MS = 60_000;

type Handler = (event: unknown) => Promise<unknown>;
/** Stands in the way of the functions: is given each call, and does it or does not. */
export type Interceptor = (state: string, call: () => Promise<unknown>) => Promise<unknown>;

const handlers: Record<string, Handler> = {
  ...taskHandlers,
  "agent-events": agentEvents,
};

/**
 * The whole control plane in this process: the real functions and the real workflow on the local
 * services, and two hosts that are modelled. When everybody waits, time skips to the next timer.
 */
export class WorkflowStage {
  readonly hosts: Hosts;
  readonly clock: SkippingClock;
  /** States in the order in which their functions were called. */
  readonly calls: string[] = [];
  intercept: Interceptor = (_, call) => call();
  readonly #work: Work;
  readonly #cloud: TestCloud;
  readonly #close: () => Promise<void>;
  /** Faults that have struck. */
  struck = 0;
  #vms = 0;
  #deaf: TestAgent | undefined;

  private constructor(options: {
    hosts: Hosts;
    clock: SkippingClock;
    work: Work;
    cloud: TestCloud;
    close: () => Promise<void>;
  }) {
    this.hosts = options.hosts;
    this.clock = options.clock;
    this.#work = options.work;
    this.#cloud = options.cloud;
    this.#close = options.close;
  }

  static async start(): Promise<WorkflowStage> {
    const clock = new SkippingClock();
    const work = new Work();
    const cloud = await startTestCloud();
    const registry = functionRegistry({ ...ACCOUNT, clock });
    let stage: WorkflowStage | undefined;
    for (const [name, handler] of Object.entries(handlers)) {
      registry.register(name, (event) =>
        work.during(() => (stage ? stage.#call(name, handler, event) : handler(event))),
      );
    }
    const lambda = await startLambda({ registry });
    const sfn = await startStepFunctions({ ...ACCOUNT, clock, invoke: registry.invoke });
    process.env.AWS_ENDPOINT_URL_SFN = sfn.endpoint;
    process.env.AWS_ENDPOINT_URL_LAMBDA = lambda.endpoint;
    const arn = (name: string) =>
      `arn:aws:lambda:${ACCOUNT.region}:${ACCOUNT.accountId}:function:${name}`;
    const machine = migrationDefinition(refsOf(migrationTasks, arn));
    await stepFunctions().send(
      new CreateStateMachineCommand({
        name: "migration",
        roleArn: `arn:aws:iam::${ACCOUNT.accountId}:role/test`,
        definition: JSON.stringify(machine),
      }),
    );
    const hosts = await Hosts.add(["host-a", "host-b"]);
    const close = async () => {
      await sfn.close();
      await lambda.close();
      await cloud.close();
    };
    stage = new WorkflowStage({ hosts, clock, work, cloud, close });
    return stage;
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** A new guest on the source, and a migration of it that has begun. */
  async begin(
    course: Course,
    policy: z.input<typeof MigrationPolicy> = {},
    intercept: Interceptor = (_, call) => call(),
  ): Promise<Migration> {
    const { hosts } = this;
    this.calls.length = 0;
    this.struck = 0;
    await Promise.all([hosts.source.take(), hosts.target.take()]);
    hosts.reset(course);
    this.intercept = intercept;
    return this.#migrate(hosts.source, policy);
  }

  /**
   * Takes all slots of the target, for as long as a host that says nothing is waited for. Returns the
   * migrations that hold them.
   */
  async fillSlots(): Promise<string[]> {
    this.#deaf ??= await addHost("host-c", { slotsOut: SLOTS, slotsIn: SLOTS });
    const ids: string[] = [];
    for (let taken = 0; taken < SLOTS; taken += 1) {
      ids.push((await this.#migrate(this.#deaf)).id);
      await this.settle();
      await this.#deaf.take();
    }
    return ids;
  }

  async #migrate(source: TestAgent, policy: z.input<typeof MigrationPolicy> = {}) {
    this.#vms += 1;
    const vm = `vm-${this.#vms}`;
    await addVm(vm, source, { ...definition, memoryBytes: MEMORY_BYTES });
    return this.#work.during(() => addMigration(vm, this.hosts.target.host, policy));
  }

  async record(id: string): Promise<Migration> {
    return (await operate("GET", `/v1/migrations/${id}`)).body as unknown as Migration;
  }

  async vm(id: string): Promise<Vm> {
    return (await operate("GET", `/v1/vms/${id}`)).body as unknown as Vm;
  }

  async post(path: string): Promise<number> {
    return this.#work.during(async () => (await operate("POST", path)).status);
  }

  /** Goes on until nothing but time could change anything. */
  async settle(): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    for (let idle = 0; idle < IDLE_TURNS; idle += 1) {
      if (performance.now() > until) throw new Error(`Still at work: ${this.calls.join(", ")}`);
      const { changes } = this.#work;
      await sleep(2);
      // Not counted itself: looking into empty queues is no work.
      const found = await this.hosts.pump();
      await setImmediate();
      if (found || this.#work.isGoingOn || this.#work.changes !== changes) idle = 0;
    }
  }

  /**
   * Goes on until it is over, time skipping when everybody waits.
   *
   * @param look of an execution that turns into it again
   * @param onIdle may do something in place of letting time pass: true when it did
   */
  async end(
    id: string,
    { turn, onIdle = async () => false }: { turn?: number; onIdle?: () => Promise<boolean> } = {},
  ): Promise<Migration> {
    const until = performance.now() + PATIENCE_MS;
    const executionArn = `${await this.#executionOf(id)}${turn === undefined ? "" : `-turn-${turn}`}`;
    for (;;) {
      await this.settle();
      const { status } = await stepFunctions().send(new DescribeExecutionCommand({ executionArn }));
      const migration = await this.record(id);
      if (status !== "RUNNING" && isFinal(migration.status)) return migration;
      if (status !== "RUNNING" || performance.now() > until) {
        const states = (await this.states(id)).join(", ");
        throw new Error(`The execution is ${status}, the migration ${migration.status}: ${states}`);
      }
      if (!(await onIdle())) this.clock.skip();
    }
  }

  /** The states that its execution has entered. */
  async states(id: string): Promise<string[]> {
    const { events = [] } = await stepFunctions().send(
      new GetExecutionHistoryCommand({
        executionArn: await this.#executionOf(id),
        maxResults: 1000,
      }),
    );
    return events.flatMap(({ stateEnteredEventDetails: entered }) => entered?.name ?? []);
  }

  /** Hosts that hold a slot for it, and whether its secret is still there. */
  async leftovers(id: string): Promise<string[]> {
    const items = await this.#cloud.scan();
    const holds = (set: unknown) => set instanceof Set && set.has(id);
    return items.flatMap((item) => [
      ...(holds(item.outgoing) || holds(item.incoming) ? [`a slot of ${item.pk}`] : []),
      ...(item.pk === `MIG#${id}` && item.sk === "SECRET" ? ["its secret"] : []),
    ]);
  }

  /** A call that never returns; nobody waits for it here. */
  hang(): Promise<never> {
    this.#work.forget();
    return new Promise(() => undefined);
  }

  async #executionOf(id: string): Promise<string> {
    const { executionArn } = await this.record(id);
    if (executionArn === undefined) throw new Error(`Expected ${id} to have an execution`);
    return executionArn;
  }

  #call(name: string, handler: Handler, event: unknown): Promise<unknown> {
    if (name === "agent-events") return handler(event);
    const { state } = z.object({ state: z.string() }).parse(event);
    this.calls.push(state);
    return this.intercept(state, () => handler(event));
  }
}

/** What is under way in this process. */
class Work {
  #count = 0;
  /** Grows whenever something begins or ends. */
  changes = 0;

  get isGoingOn(): boolean {
    return this.#count > 0;
  }

  async during<T>(what: () => Promise<T>): Promise<T> {
    this.#count += 1;
    this.changes += 1;
    try {
      return await what();
    } finally {
      this.#count -= 1;
      this.changes += 1;
    }
  }

  /** For a call that will never return. */
  forget(): void {
    this.#count -= 1;
  }
}
