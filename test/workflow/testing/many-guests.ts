import { VmId } from "../../../core/id.ts";
import type { Command, ResultOf } from "../../../core/protocol/command.ts";
import type { EventBody } from "../../../core/protocol/event.ts";
import { figures, prepared, sourceProbe, targetProbe } from "../../functions/testing/fixtures.ts";
import type { TestAgent } from "../../functions/testing/fleet.ts";
import { type Guest, observeSource, observeTarget, preparedGuest } from "./guest-model.ts";
import { MEMORY_BYTES } from "./hosts.ts";

/** What a migration of one guest does: once for each try, the last one for all that follow. */
export type TryCourse =
  | "completes"
  /** The stream breaks; the guest runs on at the source. */
  | "breaks"
  /** Negotiation refuses it: QEMU reports a device that cannot move. */
  | "refused"
  /** Memory goes on being sent until a test lets it go on. */
  | "held"
  /** The stream breaks, and neither side answers from then on. */
  | "mute"
  /** The guest powers itself off while its memory is sent. */
  | "powers-off";

type Moving = { guest: Guest; source: TestAgent; target: TestAgent };

/**
 * Any number of hosts and guests, as the cloud sees them: commands through the real queues, events
 * through the real function. Each guest goes through its migrations as its courses say.
 */
export class ManyGuests {
  readonly agents: readonly TestAgent[];
  readonly courses = new Map<string, TryCourse[]>();
  /** Where each guest runs in truth. */
  readonly places = new Map<string, string>();
  /** Guests of which no host says anything. */
  readonly mutes = new Set<string>();
  /** A guest ran in two places at some moment. */
  hasRunTwice = false;
  /** Guests in transfer now, and the most that ever were at once on one host in one direction. */
  readonly #guests = new Map<string, Moving>();
  readonly #answers = new Map<string, EventBody>();
  readonly #targets = new Map<string, TestAgent>();

  constructor(agents: readonly TestAgent[]) {
    this.agents = agents;
  }

  /** Takes the commands from all queues and handles them. True when there were some. */
  async handleCommands(): Promise<boolean> {
    let any = false;
    for (const agent of this.agents) {
      const commands = await agent.take();
      any ||= commands.length > 0;
      for (const command of commands) await this.#handle(agent, command);
    }
    return any;
  }

  /** A held transfer completes. */
  async release(vm: string): Promise<void> {
    await this.#complete(this.#heldOf(vm));
  }

  /** Lets every held transfer go on, for whoever asks whenever all is idle. */
  async releaseAll(): Promise<boolean> {
    for (const vm of this.held) await this.release(vm);
    return false;
  }

  /** The stream of a held transfer breaks. */
  async breakUp(vm: string): Promise<void> {
    await this.#break(this.#heldOf(vm));
  }

  #heldOf(vm: string): Moving {
    const found = [...this.#guests.values()].find(
      ({ guest }) => guest.vm === vm && guest.source === "migrating",
    );
    if (found === undefined) throw new Error(`Expected ${vm} to be held`);
    return found;
  }

  get held(): string[] {
    return [...this.#guests.values()].flatMap(({ guest }) =>
      guest.source === "migrating" ? [guest.vm] : [],
    );
  }

  /** The guest powers itself off: its process ends. */
  async powerOff(vm: string, agent: TestAgent): Promise<void> {
    this.places.delete(vm);
    const shutdown = { guest: true, reason: "guest-shutdown" };
    await agent.emit({ type: "guest.exited", vm: VmId.parse(vm), detail: "", shutdown });
  }

  /** Both sides answer again: the guest of a mute transfer has arrived. */
  arrived(vm: string): void {
    const found = [...this.#guests.values()].find(({ guest }) => guest.vm === vm);
    if (found === undefined) throw new Error(`Expected a transfer of ${vm}`);
    this.mutes.delete(vm);
    found.guest.source = "completed";
    found.guest.target = "running";
    this.places.set(vm, found.target.host);
  }

  /** Guests with a target process that waits for them. */
  get prepared(): string[] {
    return [...this.#guests.values()].flatMap(({ guest }) =>
      ["listening", "loaded"].includes(guest.target) ? [guest.vm] : [],
    );
  }

  /** The sources of held transfers report figures, which are heartbeats, too. */
  async beat(): Promise<void> {
    for (const { guest, source } of this.#guests.values()) {
      if (guest.source !== "migrating") continue;
      const { vm, migrationId, epoch } = guest;
      const { progress } = figures;
      const beat = { type: "migration.progress", migrationId, vm, epoch, progress };
      await source.emit(beat as EventBody);
    }
  }

  async #handle(agent: TestAgent, command: Command): Promise<void> {
    const { id: commandId } = command;
    if (this.mutes.has(command.vm)) return;
    const known = this.#answers.get(commandId);
    if (known !== undefined) {
      await agent.emit(known);
      return;
    }
    const later: (() => Promise<void>)[] = [];
    const result = this.#execute(agent, command, later);
    const answer: EventBody = { type: "command.completed", commandId, result };
    this.#answers.set(commandId, answer);
    await agent.emit(answer);
    for (const next of later) await next();
  }

  #execute(
    agent: TestAgent,
    command: Command,
    later: (() => Promise<void>)[],
  ): ResultOf<Command["verb"]> {
    const { verb, vm, migrationId = "", epoch } = command;
    const found = this.#guests.get(migrationId);
    switch (verb) {
      case "source.probe": {
        const isRefused = this.courses.get(vm)?.[0] === "refused";
        if (isRefused) this.#next(vm);
        return {
          ...sourceProbe,
          memoryBytes: MEMORY_BYTES,
          blockers: isRefused ? ["a device does not support migration"] : [],
        };
      }
      case "target.probe":
        this.#targets.set(migrationId, agent);
        return targetProbe;
      case "target.prepare":
        this.#guests.set(migrationId, {
          guest: preparedGuest({ vm, migrationId, epoch, course: "completes" }),
          source: agent,
          target: this.#targets.get(migrationId) ?? agent,
        });
        return prepared;
      case "source.start": {
        if (found === undefined) throw new Error(`Expected a target of ${vm}`);
        found.source = agent;
        found.guest.source = "migrating";
        later.push(() => this.#run(found));
        return { startedAtMs: Date.now() };
      }
      case "guest.stop":
        later.push(() => this.powerOff(vm, agent));
        return { stopped: true };
      case "migration.observe":
        return found?.target === agent ? observeTarget(found.guest) : observeSource(found?.guest);
      case "source.cancel":
        if (found?.guest.source === "migrating") found.guest.source = "cancelled";
        return observeSource(found?.guest);
      case "source.resume":
        return observeSource(found?.guest);
      case "target.discard":
        if (found !== undefined) found.guest.target = "exited";
        return { discarded: true };
      case "source.discard":
        if (found !== undefined) found.guest.source = "exited";
        return { discarded: true };
      default:
        throw new Error(`The guests do not model ${verb}`);
    }
  }

  /** The course of this try. */
  #next(vm: string): TryCourse {
    const courses = this.courses.get(vm) ?? [];
    return (courses.length > 1 ? courses.shift() : courses[0]) ?? "completes";
  }

  async #run(one: Moving): Promise<void> {
    const { guest, source } = one;
    const { vm, migrationId, epoch } = guest;
    await source.emit({ migrationId, vm, epoch, type: "migration.started" } as EventBody);
    const course = this.#next(vm);
    if (course === "held") return;
    if (course === "powers-off") {
      guest.source = "exited";
      // Its stream has ended too early.
      guest.target = "exited";
      await this.powerOff(vm, source);
      return;
    }
    if (course === "mute") this.mutes.add(vm);
    if (course === "breaks" || course === "mute") await this.#break(one);
    else await this.#complete(one);
  }

  async #break({ guest, source }: Moving): Promise<void> {
    const { vm, migrationId, epoch } = guest;
    guest.source = "cancelled";
    const errorDescription = "the stream broke";
    const failed = { type: "migration.failed", side: "source", status: "failed", errorDescription };
    await source.emit({ ...failed, migrationId, vm, epoch } as EventBody);
  }

  async #complete({ guest, source, target }: Moving): Promise<void> {
    const { vm, migrationId, epoch } = guest;
    const of = (body: object) => ({ migrationId, vm, epoch, ...body }) as EventBody;
    guest.source = "completed";
    guest.target = "running";
    if (this.places.get(vm) !== source.host) this.hasRunTwice = true;
    this.places.set(vm, target.host);
    await source.emit(
      of({ type: "migration.converged" }),
      of({ type: "migration.acked", evidence: "trace", pending: 0 }),
      of({ type: "migration.stopped" }),
      of({ type: "migration.source-completed", figures, handedOver: true }),
    );
    await target.emit(of({ type: "migration.target-arrived", runState: "running" }));
  }
}
