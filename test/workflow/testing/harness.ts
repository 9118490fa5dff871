import { DescribeExecutionCommand, GetExecutionHistoryCommand } from "@aws-sdk/client-sfn";
import * as z from "zod";
import { MigrationId } from "../../../core/id.ts";
import { isFinal, type Migration } from "../../../core/migration/migration.ts";
import type { MigrationPolicy } from "../../../core/negotiate/policy.ts";
import type { Vm, VmDefinition } from "../../../core/vm.ts";
import type { InProcessTransport } from "../../../emulators/aws/aws-json/in-process-transport.ts";
import type { DynamodbOptions } from "../../../emulators/aws/dynamodb/dynamodb.ts";
import { type Service, stepFunctions } from "../../../functions/runtime/clients.ts";
import { keys } from "../../../functions/store/keys.ts";
import { getItems } from "../../../functions/store/table.ts";
import { definition } from "../../functions/testing/fixtures.ts";
import {
  addHost,
  addMigration,
  addVm,
  operate,
  type TestAgent,
} from "../../functions/testing/fleet.ts";
import { type Handler, startControlPlane } from "./control-plane.ts";
import type { Course } from "./guest-model.ts";
import { Hosts, MEMORY_BYTES } from "./hosts.ts";
import { SkippingClock } from "./skipping-clock.ts";
import { WorkInFlight } from "./work-in-flight.ts";

/** Of each host, in each direction. */
const SLOTS = 2;
/** Real time for one migration. */
const MIGRATION_MS_MAX = 60_000;

type Answering = Pick<InProcessTransport, "handle">;
/** Is given each call of a state's function, and makes it or does something else. */
export type Interceptor = (state: string, call: () => Promise<unknown>) => Promise<unknown>;

/**
 * The whole control plane in this process: the real functions and the real workflow on the local
 * services, and two modelled hosts. When all of them are idle, time skips to the next timer.
 */
export class WorkflowHarness {
  readonly hosts: Hosts;
  readonly clock: SkippingClock;
  /** States in the order in which their functions were called. */
  readonly calls: string[] = [];
  intercept: Interceptor = (_, call) => call();
  /** Of each guest; its memory is always the same. */
  definition: VmDefinition = definition;
  /** Faults injected so far: a test in which none was injected proves nothing. */
  faultsInjected = 0;
  /** Step Functions starts again and knows no execution. */
  readonly forgetExecutions: () => Promise<void>;
  readonly #work: WorkInFlight;
  readonly #close: () => Promise<void>;
  #vms = 0;
  #silentHost: TestAgent | undefined;

  private constructor(options: {
    hosts: Hosts;
    clock: SkippingClock;
    work: WorkInFlight;
    close: () => Promise<void>;
    forget: () => Promise<void>;
  }) {
    this.hosts = options.hosts;
    this.clock = options.clock;
    this.#work = options.work;
    this.#close = options.close;
    this.forgetExecutions = options.forget;
  }

  /**
   * @param observe stands between the functions and a service, to count or to disturb
   * @param refuse refuses calls of the table
   */
  static async start(
    observe: (service: Service, transport: Answering) => Answering = (_, transport) => transport,
    refuse?: DynamodbOptions["refuse"],
  ): Promise<WorkflowHarness> {
    const clock = new SkippingClock();
    const work = new WorkInFlight();
    let harness: WorkflowHarness | undefined;
    const call = (name: string, handler: Handler, event: unknown) =>
      harness ? harness.#call(name, handler, event) : handler(event);
    const plane = await startControlPlane({
      clock,
      work,
      call,
      observe,
      ...(refuse && { refuse }),
    });
    const hosts = await Hosts.add(["host-a", "host-b"]);
    harness = new WorkflowHarness({ hosts, clock, work, ...plane });
    return harness;
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Starts a migration of a new guest on the source. */
  async begin(
    course: Course,
    policy: z.input<typeof MigrationPolicy> = {},
    intercept: Interceptor = (_, call) => call(),
  ): Promise<Migration> {
    const { hosts } = this;
    this.calls.length = 0;
    this.faultsInjected = 0;
    await Promise.all([hosts.source.take(), hosts.target.take()]);
    hosts.reset(course);
    this.intercept = intercept;
    return this.#migrate(hosts.source, policy);
  }

  /**
   * Takes all slots of the target with migrations from a host that answers nothing. Returns these
   * migrations: they hold the slots until the workflow gives the host up.
   */
  async fillSlots(): Promise<string[]> {
    this.#silentHost ??= await addHost("host-c", { slotsOut: SLOTS, slotsIn: SLOTS });
    const ids: string[] = [];
    for (let taken = 0; taken < SLOTS; taken += 1) {
      ids.push((await this.#migrate(this.#silentHost)).id);
      await this.runUntilIdle();
      await this.#silentHost.take();
    }
    return ids;
  }

  async #migrate(source: TestAgent, policy: z.input<typeof MigrationPolicy> = {}) {
    this.#vms += 1;
    const vm = `vm-${this.#vms}`;
    await addVm(vm, source, { ...this.definition, memoryBytes: MEMORY_BYTES });
    return addMigration(vm, this.hosts.target.host, policy);
  }

  async record(id: string): Promise<Migration> {
    return (await operate("GET", `/v1/migrations/${id}`)).body as unknown as Migration;
  }

  async vm(id: string): Promise<Vm> {
    return (await operate("GET", `/v1/vms/${id}`)).body as unknown as Vm;
  }

  /** Calls the operators' API; returns the status. */
  async post(path: string): Promise<number> {
    return (await operate("POST", path)).status;
  }

  /** Runs functions, workflows and hosts until only time could change anything. */
  async runUntilIdle(): Promise<void> {
    const deadlineMs = performance.now() + MIGRATION_MS_MAX;
    do {
      if (performance.now() > deadlineMs) throw new Error(`Still busy: ${this.calls.join(", ")}`);
      await this.#work.finished();
    } while (await this.hosts.handleCommands());
  }

  /**
   * Runs until the migration has ended, time skipping whenever everything is idle.
   *
   * @param turn of an execution that continues the way back at that turn
   * @param onIdle may act in place of letting time pass: true when it did
   */
  async end(
    id: string,
    { turn, onIdle = async () => false }: { turn?: number; onIdle?: () => Promise<boolean> } = {},
  ): Promise<Migration> {
    const deadlineMs = performance.now() + MIGRATION_MS_MAX;
    const suffix = turn === undefined ? "" : `-turn-${turn}`;
    const executionArn = `${await this.#executionOf(id)}${suffix}`;
    for (;;) {
      await this.runUntilIdle();
      const { status } = await stepFunctions().send(new DescribeExecutionCommand({ executionArn }));
      const migration = await this.record(id);
      if (status !== "RUNNING" && isFinal(migration.status)) return migration;
      if (status !== "RUNNING" || performance.now() > deadlineMs) {
        const states = (await this.states(id)).join(", ");
        throw new Error(`The execution is ${status}, the migration ${migration.status}: ${states}`);
      }
      if (!(await onIdle())) this.clock.skip();
    }
  }

  /** Runs until the record has an end, whichever execution writes it. */
  async endAnyhow(id: string): Promise<Migration> {
    const deadlineMs = performance.now() + MIGRATION_MS_MAX;
    for (;;) {
      await this.runUntilIdle();
      const migration = await this.record(id);
      if (isFinal(migration.status)) return migration;
      if (performance.now() > deadlineMs) throw new Error(`Still in ${this.calls.join(", ")}`);
      this.clock.skip();
    }
  }

  /** The states that its execution has entered, in order. */
  async states(id: string): Promise<string[]> {
    const { events = [] } = await stepFunctions().send(
      new GetExecutionHistoryCommand({
        executionArn: await this.#executionOf(id),
        maxResults: 1000,
      }),
    );
    return events.flatMap(({ stateEnteredEventDetails: entered }) => entered?.name ?? []);
  }

  /** Slots and the secret that are still held for it. */
  async leftovers(id: string): Promise<string[]> {
    const migration = MigrationId.parse(id);
    const agents = [this.hosts.source, this.hosts.target, this.#silentHost];
    const hosts = agents.flatMap((agent) => (agent === undefined ? [] : [keys.host(agent.host)]));
    const items = await getItems([...hosts, keys.secret(migration)]);
    const holds = (set: unknown) => set instanceof Set && set.has(id);
    return items.flatMap((item) => [
      ...(["outgoing", "incoming", "preparingOut", "preparingIn"] as const).flatMap((set) =>
        holds(item[set]) ? [`${set} of ${item.pk}`] : [],
      ),
      ...(item.sk === "SECRET" ? ["its secret"] : []),
    ]);
  }

  /** A call that never returns; the harness does not wait for it. */
  hang(): Promise<never> {
    this.#work.abandon();
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
