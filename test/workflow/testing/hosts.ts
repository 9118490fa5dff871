import type { Command, Verb } from "../../../core/protocol/command.ts";
import type { EventBody } from "../../../core/protocol/event.ts";
import type { Observation } from "../../../core/protocol/observation.ts";
import { figures, prepared, sourceProbe, targetProbe } from "../../functions/testing/fixtures.ts";
import { addHost, type TestAgent } from "../../functions/testing/fleet.ts";

/** How far a started source goes by itself. */
export type Course =
  /** To the end. */
  | "completes"
  /** Memory goes on being sent. */
  | "precopies"
  /** Waits for an ACK that does not come. */
  | "awaits-ack"
  /** The gate holds. */
  | "holds"
  /** Into postcopy, where the connection breaks; recovered, it goes on to the end. */
  | "breaks-in-postcopy"
  /** The same, but recovered it does not end by itself. */
  | "stays-in-postcopy";

/** What an agent does with a command in place of what it is for. */
export type Trick =
  /** Nothing, and no answer. */
  | "deaf"
  /** It is carried out and the answer is lost. */
  | "mute"
  | "refuses"
  /** It is carried out, and answered twice. */
  | "stutters";

type Guest = {
  vm: string;
  migrationId: string;
  epoch: number;
  course: Course;
  source: "running" | "migrating" | "completed" | "cancelled" | "postcopy" | "exited";
  target: "none" | "listening" | "loaded" | "running" | "postcopy" | "exited";
  /** A device loads: QEMU's monitor answers nothing. */
  targetIsSilent: boolean;
  pauses: number;
  isPaused: boolean;
};

/** Of each guest. */
export const MEMORY_BYTES = 2 ** 20;

const SENDINGS_MAX = 3;

const postcopyQemu = {
  ...sourceProbe.qemu,
  capabilities: [...sourceProbe.qemu.capabilities, "postcopy-ram"],
};

/**
 * Two hosts as far as the cloud can tell: what they are told goes through real queues, what they say
 * goes through the real function. One guest at a time, whose whereabouts are modelled.
 */
export class Hosts {
  readonly source: TestAgent;
  readonly target: TestAgent;
  /** The commands in the order in which they were carried out. */
  readonly seen: Verb[] = [];
  /** One for each time that it is told so; undefined: none. */
  readonly tricks = new Map<Verb, (Trick | undefined)[]>();
  /** The guest ran in two places at once at some moment. */
  split = false;
  guest: Guest | undefined;
  course: Course = "completes";
  /** How often postcopy breaks again after it has been recovered. */
  breaksAgain = 0;
  /** A device goes on loading after its source has been cancelled. */
  targetStaysSilent = false;
  #answers = new Map<string, EventBody>();
  /** What an agent says, one after the other. */
  readonly #said = new Map<TestAgent, Promise<void>>();

  private constructor(source: TestAgent, target: TestAgent) {
    this.source = source;
    this.target = target;
  }

  static async add(names: [string, string]): Promise<Hosts> {
    const [source, target] = await Promise.all(names.map((name) => addHost(name)));
    if (!source || !target) throw new Error("Expected two hosts");
    return new Hosts(source, target);
  }

  /** For the next guest. */
  reset(course: Course): void {
    Object.assign(this, { course, guest: undefined, split: false });
    Object.assign(this, { targetStaysSilent: false, breaksAgain: 0 });
    this.seen.length = 0;
    this.tricks.clear();
  }

  /** Where the guest runs in truth. */
  get runsOn(): string[] {
    const { source, target } = this.guest ?? { source: "running", target: "none" };
    const there = target === "running" || target === "postcopy";
    return [
      ...(["running", "migrating", "cancelled"].includes(source) ? [this.source.host] : []),
      ...(there ? [this.target.host] : []),
    ];
  }

  /** Takes what is in both queues and does it. True when there was something. */
  async pump(): Promise<boolean> {
    const taken = await Promise.all([this.#pump(this.source), this.#pump(this.target)]);
    return taken.some(Boolean);
  }

  /** An event of the migration at hand. */
  async tell(agent: TestAgent, ...bodies: object[]): Promise<void> {
    const { migrationId, vm, epoch } = this.#guest();
    const told = bodies.map((body) => ({ migrationId, vm, epoch, ...body }) as EventBody);
    await this.#say(agent, ...told);
  }

  /** What the target waited for is there, for what is still under way. */
  async ack(): Promise<void> {
    const guest = this.#guest();
    guest.targetIsSilent = false;
    if (guest.source !== "migrating") return;
    await this.tell(this.source, { type: "migration.acked", evidence: "trace", pending: 0 });
    await this.#complete();
  }

  /** Postcopy breaks (again). */
  async breakPostcopy(): Promise<void> {
    const guest = this.#guest();
    guest.pauses += 1;
    guest.isPaused = true;
    await this.tell(this.source, { type: "migration.postcopy-paused", pause: guest.pauses });
  }

  /** All memory has gone: postcopy ends well. */
  async endPostcopy(): Promise<void> {
    const guest = this.#guest();
    guest.source = "completed";
    guest.target = "running";
    await this.tell(this.source, { type: "migration.source-completed", figures, handedOver: true });
  }

  #guest(): Guest {
    if (this.guest) return this.guest;
    throw new Error("Expected a guest that has been prepared for");
  }

  async #say(agent: TestAgent, ...bodies: EventBody[]): Promise<void> {
    const before = this.#said.get(agent) ?? Promise.resolve();
    const saying = before.then(() => this.#send(agent, bodies));
    this.#said.set(
      agent,
      saying.catch(() => undefined),
    );
    await saying;
  }

  /** As a real agent does: what is not taken is sent again, and nothing overtakes it. */
  async #send(agent: TestAgent, bodies: EventBody[]): Promise<void> {
    const batch = { version: 1, host: agent.host, events: agent.number(...bodies) };
    for (let left = SENDINGS_MAX; ; left -= 1) {
      const { status, body } = await agent.send("events", batch);
      if (status < 300) return;
      if (left === 0) throw new Error(`Not taken: ${JSON.stringify(body)}`);
    }
  }

  async #pump(agent: TestAgent): Promise<boolean> {
    const commands = await agent.take();
    for (const command of commands) await this.#carryOut(agent, command);
    return commands.length > 0;
  }

  async #carryOut(agent: TestAgent, command: Command): Promise<void> {
    const { id: commandId, verb } = command;
    const before = this.#answers.get(commandId);
    if (before) return this.#say(agent, before);
    const trick = this.tricks.get(verb)?.shift();
    if (trick === "deaf") return;
    this.seen.push(verb);
    let answer: EventBody;
    const after: (() => Promise<void>)[] = [];
    if (trick === "refuses") {
      const error = { code: "refused", message: "not in this state" } as const;
      answer = { type: "command.failed", commandId, error };
    } else {
      answer = { type: "command.completed", commandId, result: this.#do(command, after) };
    }
    if (this.runsOn.length > 1) this.split = true;
    this.#answers.set(commandId, answer);
    if (trick !== "mute") await this.#say(agent, answer);
    if (trick === "stutters") await this.#say(agent, answer);
    for (const next of after) await next();
  }

  #do(command: Command, after: (() => Promise<void>)[]): unknown {
    const { verb, vm, migrationId = "", epoch } = command;
    const wantsPostcopy = this.course.endsWith("-in-postcopy");
    switch (verb) {
      case "source.probe":
        this.guest = undefined;
        return {
          ...sourceProbe,
          memoryBytes: MEMORY_BYTES,
          ...(wantsPostcopy ? { qemu: postcopyQemu } : {}),
        };
      case "target.probe":
        return wantsPostcopy ? { ...targetProbe, qemu: postcopyQemu } : targetProbe;
      case "target.prepare":
        this.guest = {
          ...{ vm, migrationId, epoch, course: this.course, pauses: 0, isPaused: false },
          ...{ source: "running", target: "listening", targetIsSilent: false },
        };
        return prepared;
      case "source.start":
        this.#guest().source = "migrating";
        after.push(() => this.#start());
        return { startedAtMs: Date.now() };
      case "target.recover":
        return { migrationUri: this.#guest().isPaused ? "tcp:127.0.0.1:4711" : null };
      case "source.recover":
        this.#guest().isPaused = false;
        after.push(() => this.#goOn());
        return { status: "postcopy-active" };
      case "source.permit":
        after.push(() => this.#complete());
        return { permitted: true };
      case "target.discard":
        this.#guest().target = "exited";
        return { discarded: true };
      case "source.discard":
        this.#guest().source = "exited";
        return { discarded: true };
      default:
        return this.#changed(command, after);
    }
  }

  /** Verbs that are answered with what is seen afterwards. */
  #changed({ verb, host }: Command, after: (() => Promise<void>)[]): Observation {
    const guest = this.guest;
    if (verb === "source.cancel" && guest?.source === "migrating") {
      guest.source = "cancelled";
      guest.targetIsSilent = this.targetStaysSilent;
      const status = { side: "source", status: "cancelled", errorDescription: "" };
      after.push(() => this.tell(this.source, { type: "migration.failed", ...status }));
    }
    if (verb === "target.resume" && guest) {
      guest.target = "running";
      after.push(() => this.tell(this.target, { type: "migration.target-running" }));
    }
    return host === this.source.host ? this.#sourceReport() : this.#targetReport();
  }

  async #start(): Promise<void> {
    const guest = this.#guest();
    const { source } = this;
    await this.tell(source, { type: "migration.started" });
    if (guest.course === "precopies") return;
    if (guest.course.endsWith("-in-postcopy")) return this.#postcopy();
    await this.tell(source, { type: "migration.converged" });
    if (guest.course === "awaits-ack") {
      guest.targetIsSilent = true;
      return;
    }
    await this.tell(source, { type: "migration.acked", evidence: "trace", pending: 0 });
    if (guest.course === "holds") return this.tell(source, { type: "migration.held" });
    await this.#complete();
  }

  async #complete(): Promise<void> {
    const guest = this.#guest();
    if (guest.source !== "migrating") return;
    guest.source = "completed";
    guest.target = "running";
    await this.tell(
      this.source,
      { type: "migration.stopped" },
      { type: "migration.source-completed", figures, handedOver: true },
    );
    await this.tell(this.target, { type: "migration.target-running" });
  }

  async #postcopy(): Promise<void> {
    const guest = this.#guest();
    guest.source = "postcopy";
    guest.target = "postcopy";
    const rung = { type: "migration.rung", rung: 4, action: "postcopy", reason: "stalled" };
    const begun = [{ type: "migration.stopped" }, { type: "migration.postcopy" }];
    await this.tell(this.source, rung, ...begun);
    await this.tell(this.target, { type: "migration.target-running" });
    await this.breakPostcopy();
  }

  async #goOn(): Promise<void> {
    if (this.#guest().source !== "postcopy") return;
    this.breaksAgain -= 1;
    if (this.breaksAgain >= 0) await this.breakPostcopy();
    else if (this.#guest().course !== "stays-in-postcopy") await this.endPostcopy();
  }

  #sourceReport(): Observation {
    const { source, isPaused } = this.guest ?? { source: "running", isPaused: false };
    const base = { side: "source", process: "running", everRan: true, linkUp: true } as const;
    switch (source) {
      case "running":
        return { ...base, runState: "running" };
      case "migrating":
        return { ...base, runState: "running", migrationStatus: "active" };
      case "cancelled":
        return { ...base, runState: "running", migrationStatus: "cancelled" };
      case "completed":
        return { ...base, runState: "postmigrate", migrationStatus: "completed" };
      case "postcopy":
        return { ...base, runState: "finish-migrate", migrationStatus: postcopyStatus(isPaused) };
      default:
        return { ...base, process: "exited" };
    }
  }

  #targetReport(): Observation {
    const { target, targetIsSilent, isPaused } = this.guest ?? nowhere;
    const base = { side: "target", process: "running", everRan: false, linkUp: true } as const;
    if (target === "none") return { ...base, process: "none" };
    if (target === "exited") return { ...base, process: "exited" };
    if (targetIsSilent) return { ...base, process: "silent" };
    switch (target) {
      case "listening":
        return { ...base, runState: "inmigrate", migrationStatus: "active" };
      case "loaded":
        return { ...base, runState: "paused", migrationStatus: "completed" };
      case "postcopy":
        return {
          ...{ ...base, everRan: true, runState: "running" },
          migrationStatus: postcopyStatus(isPaused),
        };
      default:
        return { ...base, everRan: true, runState: "running", migrationStatus: "completed" };
    }
  }
}

const nowhere = { target: "none", targetIsSilent: false, isPaused: false } as const;

function postcopyStatus(isPaused: boolean): string {
  return isPaused ? "postcopy-paused" : "postcopy-active";
}
