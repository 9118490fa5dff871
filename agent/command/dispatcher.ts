import { setTimeout as sleep } from "node:timers/promises";
import type { CommandId, HostId, VmId } from "../../core/id.ts";
import { type Command, type Verb, verbs } from "../../core/protocol/command.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import type { Log } from "../runtime/log.ts";
import { CommandRefusedError, toCommandError } from "./command-error.ts";
import type { Answer, CommandLog } from "./command-log.ts";

/** Carries out one verb; its answer is checked against the verb's result schema. */
export type Handler = (command: Command, args: unknown) => Promise<unknown>;
export type Handlers = { [V in Verb]: Handler };

/** Verbs that only look may be carried out again when the agent died over them. */
const LOOKS = new Set<Verb>(["source.probe", "target.probe", "migration.observe"]);
/** As those may that come to the same when they are done twice. */
const REPEATABLE = new Set<Verb>([...LOOKS, "source.permit"]);
/** Verbs that take a migration forward: not any more once it has been looked into. */
const FORWARD = new Set<Verb>(["target.prepare", "source.start"]);
/** What is being done is waited for, so that a look sees its outcome; but not for long. */
const OUTCOME_MS = 5_000;
const WAITING_MAX = 100;

/**
 * Takes commands, in order per VM, each at most once: a repeated id gets the recorded answer, an older
 * epoch, a wrong host and an expired command are refused. Every command is answered by an event.
 */
export class Dispatcher {
  readonly #host: HostId;
  readonly #handlers: Handlers;
  readonly #commands: CommandLog;
  readonly #put: (body: EventBody, verb: Verb) => void;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #forward = new Map<VmId, Promise<void>>();
  readonly #queues = new Map<VmId, Promise<void>>();
  readonly #atWork = new Map<CommandId, Promise<void>>();

  constructor(options: {
    host: HostId;
    handlers: Handlers;
    commands: CommandLog;
    put: (body: EventBody, verb: Verb) => void;
    log: Log;
    now?: () => number;
  }) {
    this.#host = options.host;
    this.#handlers = options.handlers;
    this.#commands = options.commands;
    this.#put = options.put;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Resolves when the command's answer is durable; a copy of one at work waits for that one.
   *
   * @throws Error when the answer could not be made durable, or too many wait: take it again later.
   */
  async take(command: Command): Promise<void> {
    if (command.host !== this.#host) {
      this.#log.error({ commandId: command.id, host: command.host }, "a command for another host");
      return;
    }
    const atWork = this.#atWork.get(command.id);
    if (atWork) return atWork;
    if (this.#atWork.size >= WAITING_MAX) throw new Error("Too many commands are waiting");
    const work = this.#enqueue(command).finally(() => this.#atWork.delete(command.id));
    this.#atWork.set(command.id, work);
    return work;
  }

  async #enqueue(command: Command): Promise<void> {
    // Looking must be possible while something else takes its time.
    if (LOOKS.has(command.verb)) {
      if (command.verb === "migration.observe") await this.#holdBack(command);
      return this.#carryOut(command);
    }
    const before = this.#queues.get(command.vm) ?? Promise.resolve();
    const work = before.catch(() => undefined).then(() => this.#carryOut(command));
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
   * Whoever looks decides by what he sees, so nothing may come after it: a late `target.prepare`
   * would leave a process that nobody knows of.
   *
   * @throws the file system's error: then nothing is said, and the command comes again.
   */
  async #holdBack({ vm, migrationId }: Command): Promise<void> {
    if (migrationId !== undefined) this.#commands.lookInto(migrationId);
    const atWork = this.#forward.get(vm);
    if (!atWork) return;
    const late = new AbortController();
    const { signal } = late;
    const patience = sleep(OUTCOME_MS, undefined, { signal }).catch(() => undefined);
    await Promise.race([atWork.catch(() => undefined), patience]);
    late.abort();
  }

  async #carryOut(command: Command): Promise<void> {
    const recorded = this.#commands.answerOf(command.id);
    const answer = recorded ?? (await this.#answer(command));
    const { id, verb } = command;
    if ("error" in answer) {
      this.#log.warn({ commandId: id, verb, error: answer.error }, "command failed");
      this.#put({ type: "command.failed", commandId: id, error: answer.error }, verb);
    } else {
      this.#put({ type: "command.completed", commandId: id, result: answer.result }, verb);
    }
  }

  async #answer(command: Command): Promise<Answer> {
    let answer: Answer;
    try {
      this.#admit(command);
      this.#commands.begin(command);
      const args = parseArgs(command);
      const result = await this.#handlers[command.verb](command, args);
      answer = { result: verbs[command.verb].result.parse(result) };
    } catch (error) {
      answer = { error: toCommandError(error) };
      this.#log.debug({ error, commandId: command.id }, "command failed");
    }
    try {
      this.#commands.answer(command.id, answer);
    } catch (error) {
      // What was done is done; if this answer is lost as well, the cloud looks at both ends.
      this.#log.error({ error, commandId: command.id }, "the answer could not be recorded");
    }
    return answer;
  }

  #admit(command: Command): void {
    const { id, verb, epoch, vm, migrationId } = command;
    const known = this.#commands.epochOf(vm);
    if (epoch < known) {
      throw new CommandRefusedError(
        "stale-epoch",
        `The command has epoch ${epoch} of ${vm}, but ${known} has been seen`,
      );
    }
    const now = this.#now();
    if (Date.parse(command.expiresAt) < now) {
      const clock = `this host's clock says ${new Date(now).toISOString()}`;
      const detail = `The command expired at ${command.expiresAt}; ${clock}`;
      throw new CommandRefusedError("expired", detail);
    }
    if (FORWARD.has(verb) && migrationId && this.#commands.isLookedInto(migrationId)) {
      throw new CommandRefusedError("refused", "The migration is on its way back by now");
    }
    if (this.#commands.isInDoubt(id) && !REPEATABLE.has(verb)) {
      throw new CommandRefusedError(
        "refused",
        "The agent was restarted while it carried this command out; look before trying again",
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
    `Bad arguments for ${command.verb}: ${problems.join("; ")}`,
  );
}
