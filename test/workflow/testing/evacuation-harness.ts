import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  type HistoryEvent,
} from "@aws-sdk/client-sfn";
import { vi } from "vitest";
import * as z from "zod";
import { Evacuation, EvacuationMove } from "../../../core/evacuation/evacuation.ts";
import { isFinalEvacuation } from "../../../core/evacuation/life.ts";
import type { VmDefinition } from "../../../core/vm.ts";
import { stepFunctions } from "../../../functions/runtime/clients.ts";
import { definition } from "../../functions/testing/fixtures.ts";
import {
  addHost,
  addVm,
  operate,
  type TestAgent,
  type TestLimits,
} from "../../functions/testing/fleet.ts";
import { type Handler, startControlPlane } from "./control-plane.ts";
import type { Interceptor } from "./harness.ts";
import { MEMORY_BYTES } from "./hosts.ts";
import { leftoversIn } from "./leftovers.ts";
import { ManyGuests } from "./many-guests.ts";
import { SkippingClock } from "./skipping-clock.ts";
import { WorkInFlight } from "./work-in-flight.ts";

/** Real time for one evacuation. */
const EVACUATION_MS_MAX = 120_000;

type Plane = Awaited<ReturnType<typeof startControlPlane>>;
type PlaneOptions = Pick<
  Parameters<typeof startControlPlane>[0],
  "machines" | "observe" | "refuse" | "dataDir"
>;

/**
 * The whole control plane in this process, with hosts and guests that are modelled. When all is idle,
 * time skips to the next timer. Each test takes hosts of its own: `fleet` gives them.
 */
export class EvacuationHarness {
  readonly clock: SkippingClock;
  guests = new ManyGuests([]);
  /** States in the order in which their functions were called. */
  readonly calls: string[] = [];
  intercept: Interceptor = (_, call) => call();
  faultsInjected = 0;
  readonly plane: Plane;
  readonly #work: WorkInFlight;
  #hosts = 0;

  private constructor(clock: SkippingClock, work: WorkInFlight, plane: Plane) {
    this.clock = clock;
    this.#work = work;
    this.plane = plane;
  }

  static async start(options: PlaneOptions = {}): Promise<EvacuationHarness> {
    vi.useFakeTimers({ toFake: ["Date"] });
    const clock = new SkippingClock();
    const work = new WorkInFlight();
    let harness: EvacuationHarness | undefined;
    const call = (name: string, handler: Handler, event: unknown) =>
      harness ? harness.#call(name, handler, event) : handler(event);
    const plane = await startControlPlane({ ...options, clock, work, call });
    harness = new EvacuationHarness(clock, work, plane);
    return harness;
  }

  async close(): Promise<void> {
    await this.plane.close();
    vi.useRealTimers();
  }

  /**
   * New hosts of these names, each with so many guests, in place of those of the last test. Guests are
   * called by their host: `a1`, `a2`. Returns the names that the API knows the hosts by.
   */
  async fleet(
    sizes: Record<string, number>,
    slots: TestLimits = { slotsOut: 2, slotsIn: 2 },
  ): Promise<Record<string, string>> {
    for (const agent of this.guests.agents) await retire(agent);
    this.#hosts += 1;
    this.calls.length = 0;
    this.faultsInjected = 0;
    this.intercept = (_, call) => call();
    const names: Record<string, string> = {};
    const agents: TestAgent[] = [];
    const vms: [string, TestAgent][] = [];
    for (const [name, size] of Object.entries(sizes)) {
      const agent = await addHost(`${name}-${this.#hosts}`, slots);
      names[name] = agent.host;
      agents.push(agent);
      for (let vm = 1; vm <= size; vm += 1) vms.push([`${name}${vm}-${this.#hosts}`, agent]);
    }
    this.guests = new ManyGuests(agents);
    for (const [vm, agent] of vms) {
      await addVm(vm, agent, { ...definition, memoryBytes: MEMORY_BYTES });
      this.guests.places.set(vm, agent.host);
    }
    return names;
  }

  /** A guest that starts on a host, or is adopted there. Calling what is returned, it runs. */
  async bringIn(
    host: string,
    name: string,
    how: { definition?: VmDefinition; adopt?: object } = {},
  ): Promise<() => Promise<void>> {
    const vm = this.vm(name);
    const { definition: made = { ...definition, memoryBytes: MEMORY_BYTES } } = how;
    const { status } = await operate("POST", "/v1/vms", { id: vm, host, ...how, definition: made });
    const agent = this.guests.agents.find(({ host: own }) => own === host);
    const [command] = (await agent?.take()) ?? [];
    if (command === undefined) throw new Error(`Expected a command for ${vm}: ${status}`);
    const runs = {
      definition: { ...made, machine: "pc-i440fx-10.0" },
      pid: 1,
      runState: "running",
    };
    this.guests.places.set(vm, host);
    return async () => {
      await agent?.emit({ type: "command.completed", commandId: command.id, result: runs });
    };
  }

  /** The API's name of a guest. */
  vm(name: string): string {
    return `${name}-${this.#hosts}`;
  }

  async plan(hosts: string[], rest: object = {}): Promise<Evacuation> {
    const { status, body } = await operate("POST", "/v1/evacuations", {
      hosts,
      // As many slots as the hosts have.
      options: { streamBytesPerSecond: 1_000 },
      ...rest,
    });
    if (status !== 201) throw new Error(`Expected a plan, got ${JSON.stringify(body)}`);
    return body as Evacuation;
  }

  /** Plans and approves. */
  async begin(hosts: string[], rest: object = {}): Promise<Evacuation> {
    const { id } = await this.plan(hosts, rest);
    return this.act(id, "approve", { version: 1 });
  }

  async act(id: string, action: string, by: object = {}): Promise<Evacuation> {
    const { status, body } = await operate("POST", `/v1/evacuations/${id}/${action}`, by);
    if (status !== 202) throw new Error(`${action}: ${JSON.stringify(body)}`);
    return body as Evacuation;
  }

  async read(id: string): Promise<Evacuation> {
    const { status, body } = await operate("GET", `/v1/evacuations/${id}`);
    if (status !== 200) throw new Error(JSON.stringify(body));
    const evacuation = Evacuation.parse(body);
    const { total, ...others } = evacuation.counters;
    const sum = Object.values(others).reduce((all, count) => all + count, 0);
    if (sum !== total) throw new Error(`The counters do not sum: ${JSON.stringify(others)}`);
    return evacuation;
  }

  async moves(id: string): Promise<EvacuationMove[]> {
    const { body } = await operate("GET", `/v1/evacuations/${id}/moves?limit=100`);
    return z.array(EvacuationMove).parse(body.items);
  }

  /** Runs functions, workflows and guests until only time could change anything. */
  async runUntilIdle(): Promise<void> {
    const deadlineMs = performance.now() + EVACUATION_MS_MAX;
    do {
      if (performance.now() > deadlineMs) throw new Error(`Busy: ${this.calls.slice(-40).join()}`);
      await this.#work.finished();
    } while (await this.guests.handleCommands());
  }

  /** The control plane is down for so long: calls of its functions that have not ended never do. */
  async down(ms: number): Promise<void> {
    await this.plane.stop();
    this.clock.moveTo(this.clock.now() + ms);
    vi.setSystemTime(this.clock.now());
    await this.plane.start();
  }

  /** Lets time pass to the next timer. */
  skip(): void {
    this.clock.skip();
    vi.setSystemTime(this.clock.now());
  }

  /** Runs until this instant, and does what is due then. */
  async runTo(atMs: number, onIdle: () => Promise<boolean> = async () => false): Promise<void> {
    const deadlineMs = performance.now() + EVACUATION_MS_MAX;
    for (;;) {
      await this.runUntilIdle();
      if (await onIdle()) continue;
      const nextMs = this.clock.nextDueMs;
      if (nextMs === undefined || nextMs > atMs) break;
      if (performance.now() > deadlineMs) throw new Error(`Busy: ${this.calls.slice(-40).join()}`);
      this.skip();
    }
    this.clock.moveTo(atMs);
    vi.setSystemTime(this.clock.now());
  }

  /** Runs until `isReached`, time skipping whenever everything is idle. */
  async until(
    id: string,
    isReached: (evacuation: Evacuation) => boolean,
    onIdle: () => Promise<boolean> = async () => false,
  ): Promise<Evacuation> {
    const deadlineMs = performance.now() + EVACUATION_MS_MAX;
    for (;;) {
      await this.runUntilIdle();
      const evacuation = await this.read(id);
      if (isReached(evacuation)) return evacuation;
      if (performance.now() > deadlineMs) {
        throw new Error(
          `It is ${JSON.stringify(evacuation)} after ${this.calls.slice(-40).join()}`,
        );
      }
      if (!(await onIdle())) this.skip();
    }
  }

  /** Runs until the evacuation has ended, its executions too. */
  async end(id: string, onIdle?: () => Promise<boolean>): Promise<Evacuation> {
    const ended = await this.until(id, ({ status }) => isFinalEvacuation(status), onIdle);
    const { executionArn } = ended;
    if (executionArn === undefined) return ended;
    for (let look = 0; look < 50; look += 1) {
      const { status } = await stepFunctions().send(new DescribeExecutionCommand({ executionArn }));
      if (status !== "RUNNING") break;
      this.skip();
      await this.runUntilIdle();
    }
    return this.read(id);
  }

  /** All events of the history of an execution. */
  async history(executionArn: string): Promise<HistoryEvent[]> {
    const all: HistoryEvent[] = [];
    let nextToken: string | undefined;
    do {
      const page = await stepFunctions().send(
        new GetExecutionHistoryCommand({ executionArn, nextToken, maxResults: 1000 }),
      );
      all.push(...(page.events ?? []));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return all;
  }

  /** What is left over: slots, memory, claims, locks, places in queues, drains, prepared targets. */
  async leftovers(evacuation: string): Promise<string[]> {
    const hosts = this.guests.agents.map(({ host }) => host);
    const { places } = this.guests;
    const rows = await this.plane.scan();
    const left = leftoversIn(rows, { places, hosts, memoryBytes: MEMORY_BYTES, evacuation });
    return [...left, ...this.guests.prepared.map((vm) => `a prepared target of ${vm}`)];
  }

  /** A call that never returns; the harness does not wait for it. */
  hang(): Promise<never> {
    this.#work.abandon();
    return new Promise(() => undefined);
  }

  #call(name: string, handler: Handler, event: unknown): Promise<unknown> {
    if (name === "agent-events" || name === "open-window") return handler(event);
    const { state } = z.object({ state: z.string() }).parse(event);
    this.calls.push(state);
    return this.intercept(state, () => handler(event));
  }
}

/** A host of an earlier test takes part in nothing any more. */
async function retire({ host }: TestAgent): Promise<void> {
  await operate("POST", `/v1/hosts/${host}/cordon`, { owner: "tests" });
}
