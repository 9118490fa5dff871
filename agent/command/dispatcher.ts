import type { CommandId, HostId, VmId } from "../../core/id.ts";
import { type Command, type Verb, verbs } from "../../core/protocol/command.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import { pause } from "../runtime/backoff.ts";
import type { Log } from "../runtime/log.ts";
import { CommandRefusedError, toCommandError } from "./command-error.ts";
import type { Answer, CommandLog } from "./command-log.ts";

/** Runs one verb. Its answer is checked against the verb's result schema. */
export type Handler = (command: Command, args: unknown) => Promise<unknown>;
export type Handlers = { [V in Verb]: Handler };

/** Read-only verbs: they do not wait for others, and are safe to run again after a crash. */
const READ_ONLY = new Set<Verb>([
  "source.probe",
  "target.probe",
  "source.rehearse",
  "migration.observe",
  "host.guests",
]);
/** Idempotent verbs: safe to run again after a crash. */
const REPEATABLE = new Set<Verb>([
  ...READ_ONLY,
  "source.permit",
  "guest.discover",
  "guest.define",
  "guest.change",
]);
/** Verbs about the whole host: no VM's epoch counts. */
const HOST_WIDE = new Set<Verb>(["host.guests"]);
/** Verbs that take a migration forward: refused once it has been observed. */
const FORWARD = new Set<Verb>(["target.prepare", "source.start"]);
/** Verbs that start a process, or take one over. */
const STARTING = new Set<Verb>([...FORWARD, "target.rehearse", "guest.start", "guest.adopt"]);
/** An observation waits this long for a forward verb that is running, to include its outcome. */
const OUTCOME_MS = 5_000;
const WAITING_MAX = 100;

/**
 * Runs commands in order per VM, each at most once. A repeated id gets the recorded answer; an older
 * epoch and an expired command are refused, and so is a command to start something that was sent
 * before the host was started: it may have been carried out, and the answer lost in a crash. Every
 * command for this host is answered by an event.
 */
export class Dispatcher {
  readonly #host: HostId;
  readonly #handlers: Handlers;
  readonly #commands: CommandLog;
  readonly #emit: (body: EventBody, verb: Verb) => void;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #forward = new Map<VmId, Promise<void>>();
  readonly #queues = new Map<VmId, Promise<void>>();
  readonly #running = new Map<CommandId, Promise<void>>();

  constructor(options: {
    host: HostId;
    handlers: Handlers;
    commands: CommandLog;
    emit: (body: EventBody, verb: Verb) => void;
    log: Log;
    now?: () => number;
  }) {
    this.#host = options.host;
    this.#handlers = options.handlers;
    this.#commands = options.commands;
    this.#emit = options.emit;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Resolves when the command's answer is durable. A copy of a running command waits for that one.
   *
   * @throws Error when the answer could not be made durable, or too many commands wait: it must be taken
   *   again later
   */
  async take(command: Command): Promise<void> {
    if (command.host !== this.#host) {
      this.#log.error({ commandId: command.id, host: command.host }, "a command for another host");
      return;
    }
    const running = this.#running.get(command.id);
    if (running) return running;
    if (this.#running.size >= WAITING_MAX)
      throw new Error(`${WAITING_MAX} commands are waiting already`);
    const work = this.#enqueue(command).finally(() => this.#running.delete(command.id));
    this.#running.set(command.id, work);
    return work;
  }

  async #enqueue(command: Command): Promise<void> {
    // An observation must be possible while another command takes long.
    if (READ_ONLY.has(command.verb)) {
      if (command.verb === "migration.observe") await this.#stopForward(command);
      return this.#run(command);
    }
    const before = this.#queues.get(command.vm) ?? Promise.resolve();
    const work = before.catch(() => undefined).then(() => this.#run(command));
    this.#queues.set(command.vm, work);
    if (FORWARD.has(command.verb)) this.#forward.set(command.vm, work);
    try {
      await work;
    } finally {
      if (this.#forward.get(command.vm) === work) this.#forward.delete(command.vm);
      if (this.#queues.get(command.vm) === work) this.#queues.delete(command.vm);
    }
  }

  /**
   * The cloud decides by an observation, so no forward verb may run after it: a late `target.prepare`
   * would start a process that the cloud does not know.
   *
   * @throws the file system's error: then there is no answer, and the command is delivered again
   */
  async #stopForward({ vm, migrationId }: Command): Promise<void> {
    if (migrationId !== undefined) this.#commands.markObserved(migrationId);
    const running = this.#forward.get(vm);
    if (!running) return;
    const late = new AbortController();
    await Promise.race([running.catch(() => undefined), pause(OUTCOME_MS, late.signal)]);
    late.abort();
  }

  async #run(command: Command): Promise<void> {
    const recorded = this.#commands.answerOf(command.id);
    const answer = recorded ?? (await this.#answer(command));
    const { id, verb } = command;
    if ("error" in answer) {
      this.#log.warn({ commandId: id, verb, error: answer.error }, "command failed");
      this.#emit({ type: "command.failed", commandId: id, error: answer.error }, verb);
    } else {
      this.#emit({ type: "command.completed", commandId: id, result: answer.result }, verb);
    }
  }

  async #answer(command: Command): Promise<Answer> {
    let answer: Answer;
    try {
      this.#admit(command);
      // An older epoch must be refused also after a power failure.
      if (this.#commands.begin(command)) await this.#commands.flush();
      const args = parseArgs(command);
      const result = await this.#handlers[command.verb](command, args);
      answer = { result: verbs[command.verb].result.parse(result) };
    } catch (error) {
      answer = { error: toCommandError(error, command) };
      const level = answer.error.code === "internal" ? "error" : "debug";
      this.#log[level]({ error, commandId: command.id }, "command failed");
    }
    try {
      this.#commands.answer(command.id, answer);
    } catch (error) {
      // The command has run all the same. If this answer is lost too, the cloud observes both sides.
      this.#log.error({ error, commandId: command.id }, "the answer could not be recorded");
    }
    return answer;
  }

  #admit(command: Command): void {
    const { id, verb, epoch, vm, migrationId } = command;
    const known = this.#commands.epochOf(vm);
    if (epoch < known && !HOST_WIDE.has(verb)) {
      throw new CommandRefusedError(
        "stale-epoch",
        `${verb} has epoch ${epoch} of ${vm}, but this host has taken a command of epoch ${known}: a newer migration of ${vm} has begun`,
      );
    }
    const now = this.#now();
    if (Date.parse(command.expiresAt) < now) {
      const clock = new Date(now).toISOString();
      const detail = `${verb} expired at ${command.expiresAt}, and it is ${clock} on this host: if this is soon after ${command.issuedAt}, set this host's clock`;
      throw new CommandRefusedError("expired", detail);
    }
    const since = this.#commands.firstRegisteredAt;
    if (
      STARTING.has(verb) &&
      since !== undefined &&
      Date.parse(command.issuedAt) < Date.parse(since)
    ) {
      throw new CommandRefusedError(
        "refused",
        `${verb} was sent at ${command.issuedAt}, before this host registered at ${since} after its start: it may have run before, so it does not run again`,
      );
    }
    if (FORWARD.has(verb) && migrationId && this.#commands.isObserved(migrationId)) {
      throw new CommandRefusedError(
        "refused",
        `${verb} came too late: the migration ${migrationId} has been observed here since, and is being undone`,
      );
    }
    if (this.#commands.isInDoubt(id) && !REPEATABLE.has(verb)) {
      throw new CommandRefusedError(
        "refused",
        `The agent was restarted while it ran ${verb} for ${vm}, so the outcome is unknown: observe ${vm} before the next try`,
      );
    }
  }
}

function parseArgs(command: Command): unknown {
  const parsed = verbs[command.verb].args.safeParse(command.args);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new CommandRefusedError(
    "invalid",
    `Expected arguments of ${command.verb} as in its schema: ${problems.join("; ")}`,
  );
}
