import type { Command, ResultOf, Verb } from "../../../core/protocol/command.ts";
import type { EventBody } from "../../../core/protocol/event.ts";
import type { QemuProbe } from "../../../core/protocol/probe.ts";
import { figures, prepared, sourceProbe, targetProbe } from "../../functions/testing/fixtures.ts";
import { addHost, type TestAgent } from "../../functions/testing/fleet.ts";
import {
  type Course,
  type Guest,
  observeSource,
  observeTarget,
  preparedGuest,
  sidesThatRun,
} from "./guest-model.ts";

/** What an agent does with a command that it does not simply execute and answer. */
export type AgentFault =
  | "ignores it"
  | "executes it and loses the answer"
  | "refuses it"
  | "answers it twice";
export const agentFaults: readonly AgentFault[] = [
  "ignores it",
  "executes it and loses the answer",
  "refuses it",
  "answers it twice",
];

/** Of each guest. */
export const MEMORY_BYTES = 2 ** 20;

/** How often a batch of events is posted before the test fails. */
const POSTS_MAX = 4;

const postcopyQemu = {
  ...sourceProbe.qemu,
  capabilities: [...sourceProbe.qemu.capabilities, "postcopy-ram"],
};

/** Executes a verb; what is put into `later` follows the answer. */
type Later = (() => Promise<void>)[];
type Executors = { [V in Verb]?: (command: Command, later: Later) => ResultOf<V> };

/**
 * Two hosts as the cloud sees them: commands come through real queues, events go through the real
 * function. They model one guest at a time, by the protocol's own types.
 */
export class Hosts {
  readonly source: TestAgent;
  readonly target: TestAgent;
  /** Verbs in the order in which they were executed. */
  readonly executed: Verb[] = [];
  /** What both hosts report of their QEMU. */
  qemu: QemuProbe = sourceProbe.qemu;
  /** How often events were posted. */
  posts = 0;
  /** One fault for each time that the verb arrives; undefined: none. */
  readonly faults = new Map<Verb, (AgentFault | undefined)[]>();
  /** The guest ran in two places at once at some moment. */
  hasRunTwice = false;
  guest: Guest | undefined;
  course: Course = "completes";
  /** How often postcopy breaks again after it has been recovered. */
  breaksAgain = 0;
  /** A device goes on loading after its source has been cancelled. */
  targetRemainsSilent = false;
  readonly #answers = new Map<string, EventBody>();
  /** The last post of each agent: the next one waits for it. */
  readonly #posts = new Map<TestAgent, Promise<void>>();
  readonly #executors: Executors;

  private constructor(source: TestAgent, target: TestAgent) {
    this.source = source;
    this.target = target;
    this.#executors = this.#createExecutors();
  }

  static async add(names: [string, string]): Promise<Hosts> {
    const [source, target] = await Promise.all(names.map((name) => addHost(name)));
    if (!source || !target) throw new Error("Expected two hosts");
    return new Hosts(source, target);
  }

  /** For the next guest. */
  reset(course: Course): void {
    this.course = course;
    this.guest = undefined;
    this.hasRunTwice = false;
    this.targetRemainsSilent = false;
    this.breaksAgain = 0;
    this.executed.length = 0;
    this.faults.clear();
  }

  /** Where the guest runs in truth. */
  get runsOn(): string[] {
    return sidesThatRun(this.guest).map((side) => this[side].host);
  }

  /** Faults that no command has met yet. */
  get faultsLeft(): number {
    return [...this.faults.values()].flat().length;
  }

  /** Takes the commands from both queues and handles them. True when there were some. */
  async handleCommands(): Promise<boolean> {
    const agents = [this.source, this.target];
    const taken = await Promise.all(agents.map((agent) => this.#handleCommandsOf(agent)));
    return taken.some(Boolean);
  }

  /** Emits events of the migration. */
  async emit(agent: TestAgent, ...bodies: object[]): Promise<void> {
    const { migrationId, vm, epoch } = this.#guest();
    await this.#post(
      agent,
      bodies.map((body) => ({ migrationId, vm, epoch, ...body }) as EventBody),
    );
  }

  /** The target has loaded its device: the ACK comes, if the migration is still under way. */
  async ack(): Promise<void> {
    const guest = this.#guest();
    guest.targetIsSilent = false;
    if (guest.source !== "migrating") return;
    await this.emit(this.source, { type: "migration.acked", evidence: "trace", pending: 0 });
    await this.#complete();
  }

  /** Postcopy breaks (again). */
  async breakPostcopy(): Promise<void> {
    const guest = this.#guest();
    guest.pauses += 1;
    guest.isPaused = true;
    await this.emit(this.source, { type: "migration.postcopy-paused", pause: guest.pauses });
  }

  /** The target has all memory: postcopy completes. */
  async endPostcopy(): Promise<void> {
    const guest = this.#guest();
    guest.source = "completed";
    guest.target = "running";
    await this.emit(this.source, { type: "migration.source-completed", figures, handedOver: true });
  }

  #guest(): Guest {
    if (this.guest) return this.guest;
    throw new Error("Expected a guest for which a target was prepared");
  }

  /** Posts events after those posted before, as a real agent does. */
  async #post(agent: TestAgent, bodies: EventBody[]): Promise<void> {
    this.posts += 1;
    const before = this.#posts.get(agent) ?? Promise.resolve();
    const post = before.then(() => postBatch(agent, bodies));
    this.#posts.set(
      agent,
      post.catch(() => undefined),
    );
    await post;
  }

  async #handleCommandsOf(agent: TestAgent): Promise<boolean> {
    const commands = await agent.take();
    for (const command of commands) await this.#handle(agent, command);
    return commands.length > 0;
  }

  async #handle(agent: TestAgent, command: Command): Promise<void> {
    const { id: commandId, verb } = command;
    const before = this.#answers.get(commandId);
    if (before) return this.#post(agent, [before]);
    const fault = this.faults.get(verb)?.shift();
    if (fault === "ignores it") return;
    this.executed.push(verb);
    const later: Later = [];
    const answer: EventBody =
      fault === "refuses it"
        ? {
            type: "command.failed",
            commandId,
            error: { code: "refused", message: "not in this state" },
          }
        : { type: "command.completed", commandId, result: this.#execute(command, later) };
    if (this.runsOn.length > 1) this.hasRunTwice = true;
    this.#answers.set(commandId, answer);
    if (fault !== "executes it and loses the answer") await this.#post(agent, [answer]);
    if (fault === "answers it twice") await this.#post(agent, [answer]);
    for (const next of later) await next();
  }

  #execute(command: Command, later: Later): ResultOf<Verb> {
    const executor = this.#executors[command.verb];
    if (executor === undefined) throw new Error(`The hosts do not model ${command.verb}`);
    return executor(command, later);
  }

  #createExecutors(): Executors {
    const observe = ({ host }: Command) =>
      host === this.source.host ? observeSource(this.guest) : observeTarget(this.guest);
    return {
      "source.probe": () => {
        this.guest = undefined;
        return { ...sourceProbe, memoryBytes: MEMORY_BYTES, qemu: this.#qemu() };
      },
      "target.probe": () => ({ ...targetProbe, qemu: this.#qemu() }),
      "target.prepare": ({ vm, migrationId = "", epoch }) => {
        this.guest = preparedGuest({ vm, migrationId, epoch, course: this.course });
        return prepared;
      },
      "source.start": (_, later) => {
        this.#guest().source = "migrating";
        later.push(() => this.#run());
        return { startedAtMs: Date.now() };
      },
      "source.permit": (_, later) => {
        later.push(() => this.#complete());
        return { permitted: true };
      },
      "target.recover": () => ({
        migrationUri: this.#guest().isPaused ? "tcp:127.0.0.1:4711" : null,
      }),
      "source.recover": (_, later) => {
        this.#guest().isPaused = false;
        later.push(() => this.#continuePostcopy());
        return { status: "postcopy-active" };
      },
      "source.cancel": (command, later) => {
        this.#cancel(later);
        return observe(command);
      },
      "target.resume": (command, later) => {
        if (this.guest) {
          this.guest.target = "running";
          later.push(() =>
            this.emit(this.target, { type: "migration.target-arrived", runState: "running" }),
          );
        }
        return observe(command);
      },
      "source.resume": observe,
      "migration.observe": observe,
      "target.discard": () => {
        this.#guest().target = "exited";
        return { discarded: true };
      },
      "source.discard": () => {
        this.#guest().source = "exited";
        return { discarded: true };
      },
    };
  }

  #qemu() {
    return this.course.endsWith("-in-postcopy") ? postcopyQemu : this.qemu;
  }

  #cancel(later: Later): void {
    const guest = this.guest;
    if (guest?.source !== "migrating") return;
    guest.source = "cancelled";
    guest.targetIsSilent = this.targetRemainsSilent;
    const failed = {
      type: "migration.failed",
      side: "source",
      status: "cancelled",
      errorDescription: "",
    };
    later.push(() => this.emit(this.source, failed));
  }

  /** A started source runs its course. */
  async #run(): Promise<void> {
    const guest = this.#guest();
    const { source } = this;
    await this.emit(source, { type: "migration.started" });
    if (guest.course === "precopies") return;
    if (guest.course.endsWith("-in-postcopy")) return this.#startPostcopy();
    await this.emit(source, { type: "migration.converged" });
    if (guest.course === "awaits-ack") {
      guest.targetIsSilent = true;
      return;
    }
    await this.emit(source, { type: "migration.acked", evidence: "trace", pending: 0 });
    if (guest.course === "holds") return this.emit(source, { type: "migration.held" });
    await this.#complete();
  }

  async #complete(): Promise<void> {
    const guest = this.#guest();
    if (guest.source !== "migrating") return;
    guest.source = "completed";
    guest.target = "running";
    await this.emit(
      this.source,
      { type: "migration.stopped" },
      { type: "migration.source-completed", figures, handedOver: true },
    );
    await this.emit(this.target, { type: "migration.target-arrived", runState: "running" });
  }

  async #startPostcopy(): Promise<void> {
    const guest = this.#guest();
    guest.source = "postcopy";
    guest.target = "postcopy";
    await this.emit(
      this.source,
      { type: "migration.rung", rung: 4, action: "postcopy", reason: "stalled" },
      { type: "migration.stopped" },
      { type: "migration.postcopy" },
    );
    await this.emit(this.target, { type: "migration.target-arrived", runState: "running" });
    await this.breakPostcopy();
  }

  async #continuePostcopy(): Promise<void> {
    if (this.#guest().source !== "postcopy") return;
    this.breaksAgain -= 1;
    if (this.breaksAgain >= 0) await this.breakPostcopy();
    else if (this.#guest().course !== "remains-in-postcopy") await this.endPostcopy();
  }
}

/** What the cloud does not accept is posted again. */
async function postBatch(agent: TestAgent, bodies: EventBody[]): Promise<void> {
  const batch = { version: 1, host: agent.host, events: agent.number(...bodies) };
  let refusal: unknown;
  for (let post = 0; post < POSTS_MAX; post += 1) {
    const { status, body } = await agent.send("events", batch);
    if (status < 300) return;
    refusal = body;
  }
  throw new Error(`Failed to post events: ${JSON.stringify(refusal)}`);
}
