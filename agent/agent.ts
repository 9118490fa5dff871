import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Command } from "../core/protocol/command.ts";
import type { HostFacts } from "../core/protocol/host.ts";
import { CloudApi, CloudRefusedError, SupersededError } from "./cloud/api.ts";
import { isAnswerBatchable } from "./cloud/batching.ts";
import { CommandSource } from "./cloud/command-source.ts";
import { Heartbeat } from "./cloud/heartbeat.ts";
import { Outbox } from "./cloud/outbox.ts";
import { CommandLog } from "./command/command-log.ts";
import { Dispatcher } from "./command/dispatcher.ts";
import { lockStateDir } from "./durable/lock.ts";
import type { Emit } from "./guest/emit.ts";
import { Guests } from "./guest/guests.ts";
import type { Context } from "./handlers/context.ts";
import { createHandlers } from "./handlers/handlers.ts";
import { reattach } from "./handlers/reattach.ts";
import { HookRunner } from "./hooks/hook-runner.ts";
import { describeBinary } from "./probe/binary.ts";
import { hostFacts } from "./probe/facts.ts";
import { Backoff, pause } from "./runtime/backoff.ts";
import type { AgentConfig } from "./runtime/config.ts";
import type { Log } from "./runtime/log.ts";
import { bootId } from "./runtime/process.ts";

/** Keys that the control plane issues are longer; this finds an empty or a wrong file. */
const KEY_LENGTH_MIN = 32;
const CHECKPOINT_EVERY_MS = 10_000;
const REGISTER_RETRY = { firstMs: 200, maxMs: 5_000 };

/** One host's agent: connects to the cloud, runs its commands, emits events, and keeps its guests. */
export class Agent {
  readonly #config: AgentConfig;
  readonly #log: Log;
  readonly #api: CloudApi;
  readonly #outbox: Outbox;
  readonly #heartbeat: Heartbeat;
  readonly #commands: CommandLog;
  readonly #guests: Guests;
  readonly #hookRunner = new HookRunner();
  readonly #context: Context;
  readonly #unlock: () => void;
  readonly #dispatcher: Dispatcher;
  readonly #sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  readonly #stop = new AbortController();
  #source: CommandSource | undefined;
  readonly #instance = randomUUID();
  readonly #superseded = Promise.withResolvers<never>();
  #checkpoints: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws Error when the key cannot be read, or another agent uses the state directory */
  constructor(config: AgentConfig, log: Log) {
    this.#config = config;
    this.#log = log;
    const { apiUrl, host } = config;
    this.#api = new CloudApi({ apiUrl, host, key: readKey(config), instance: this.#instance });
    this.#unlock = lockStateDir(config.stateDir);
    this.#commands = new CommandLog(config.stateDir);
    this.#superseded.promise.catch(() => undefined);
    const onSuperseded = (error: SupersededError) => this.#superseded.reject(error);
    this.#outbox = new Outbox({ api: this.#api, stateDir: config.stateDir, log, onSuperseded });
    this.#heartbeat = new Heartbeat({
      api: this.#api,
      intervalMs: config.heartbeatIntervalMs,
      log,
      onSuperseded,
    });
    const emit: Emit = (body, atMs) => this.#outbox.emit(body, atMs);
    this.#guests = new Guests({
      runDir: config.runDir,
      stateDir: config.stateDir,
      log,
      onExit: (vm, detail, causes) => emit({ type: "guest.exited", vm, detail, ...causes }),
      onRunState: (vm, { atMs, ...change }) =>
        emit({ type: "guest.run-state", vm, ...change }, atMs),
    });
    this.#context = { config, guests: this.#guests, hookRunner: this.#hookRunner, emit, log };
    this.#dispatcher = new Dispatcher({
      host: config.host,
      handlers: createHandlers(this.#context),
      commands: this.#commands,
      emit: (body, verb) => this.#outbox.emit(body, undefined, isAnswerBatchable(body, verb)),
      log,
    });
  }

  /**
   * Rejects with SupersededError when another process has registered with this host's key: two agents
   * would take each other's commands. The guests go on running, under the other agent.
   */
  get superseded(): Promise<never> {
    return this.#superseded.promise;
  }

  /**
   * Reattaches the guests of this host, registers with the cloud (trying until it succeeds), then
   * receives commands.
   *
   * @throws CloudRefusedError when the cloud does not accept this host; Error when there is no QEMU
   */
  async start(): Promise<void> {
    const config = this.#config;
    // The guests first: their migrations cannot wait.
    await reattach(this.#context);
    this.#checkpoints = setInterval(() => this.#checkpoint(), CHECKPOINT_EVERY_MS);
    const description = await describeBinary(config.qemu, config.stateDir);
    requireSandbox(config, description.sandbox, this.#log);
    const registered = await this.#register(await hostFacts(config, description));
    if (!registered || this.#stop.signal.aborted) return;
    this.#commands.noteRegistered(bootId(), registered.at);
    this.#outbox.start(registered.acceptedSeq);
    this.#heartbeat.start();
    this.#source = new CommandSource({
      sqs: this.#sqs,
      queueUrl: registered.queueUrl,
      handle: (command) => this.#take(command),
      log: this.#log,
    });
    this.#source.start();
    const { major, minor, micro } = description.probe.version;
    this.#log.info({ host: config.host, qemu: `${major}.${minor}.${micro}` }, "agent ready");
  }

  /**
   * Stops receiving, waits for running commands (at most 10 s), delivers the remaining events (at most
   * 2 s) and detaches the guests, which go on running. An interrupted command is refused when it is
   * delivered again.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#shutDown();
    return this.#stopping;
  }

  async #shutDown(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#checkpoints);
    await this.#source?.stop();
    await this.#heartbeat.stop();
    await this.#outbox.stop(2_000);
    this.#hookRunner.close();
    await this.#guests.close();
    this.#commands.close();
    this.#sqs.destroy();
    this.#unlock();
  }

  /** A command that is not carried out here is delivered again, to the newer agent. */
  async #take(command: Command): Promise<void> {
    try {
      await this.#api.requireNewest();
    } catch (error) {
      this.#superseded.reject(error);
      throw error;
    }
    await this.#dispatcher.take(command);
  }

  #checkpoint(): void {
    try {
      this.#guests.memory.checkpoint(!this.#guests.isMigrating);
    } catch (error) {
      this.#log.error({ error }, "the store's log cannot be emptied");
    }
  }

  async #register(facts: HostFacts) {
    const { signal } = this.#stop;
    const { heartbeatIntervalMs: heartbeatMs } = this.#config;
    const backoff = new Backoff(REGISTER_RETRY);
    while (!signal.aborted) {
      try {
        const own = { facts, guests: this.#guests.present, heartbeatMs };
        return await this.#api.register(own, signal);
      } catch (error) {
        if (error instanceof CloudRefusedError || error instanceof SupersededError) throw error;
        if (signal.aborted) return undefined;
        const delayMs = backoff.next();
        this.#log.warn({ error, delayMs }, "the cloud cannot be reached, trying again");
        await pause(delayMs, signal);
      }
    }
    return undefined;
  }
}

/** @throws Error when the file cannot be read, or others may read it */
function readKey(config: AgentConfig): string {
  const { mode } = statSync(config.keyFile);
  if ((mode & 0o077) !== 0) {
    throw new Error(
      `Expected the host key ${config.keyFile} to be readable by its owner only, got mode ${(mode & 0o777).toString(8)}: chmod 600`,
    );
  }
  const key = readFileSync(config.keyFile, "utf8").trim();
  if (key.length < KEY_LENGTH_MIN) {
    throw new Error(
      `Expected a host key of at least ${KEY_LENGTH_MIN} characters in ${config.keyFile}, got ${key.length}: write the key there that adding the host has returned`,
    );
  }
  return key;
}

/** @throws Error when the configuration requires a sandbox that this host does not have */
function requireSandbox(config: AgentConfig, sandbox: boolean, log: Log): void {
  if (sandbox) return;
  const what = `${config.qemu} starts without its seccomp sandbox on this host`;
  if (config.requireSandbox) {
    throw new Error(
      `${what}, and the configuration has requireSandbox: install a QEMU that is built with seccomp, allow seccomp filters on this host, or set requireSandbox to false`,
    );
  }
  log.warn({ sandbox }, `${what}: a guest that takes over its QEMU is not confined`);
}
