import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Command, Verb } from "../core/protocol/command.ts";
import type { EventBody } from "../core/protocol/event.ts";
import type { HostFacts } from "../core/protocol/host.ts";
import { JoinToken, type QueueAccess } from "../core/protocol/identity.ts";
import { CloudApi, CloudRefusedError, SupersededError } from "./cloud/api.ts";
import { isAnswerBatchable } from "./cloud/batching.ts";
import { CommandSource } from "./cloud/command-source.ts";
import { CommandVerifier, UnknownKeyError } from "./cloud/command-verifier.ts";
import { Heartbeat } from "./cloud/heartbeat.ts";
import { Identity } from "./cloud/identity.ts";
import { Outbox } from "./cloud/outbox.ts";
import { readSecret } from "./cloud/secret-file.ts";
import { requestSigner } from "./cloud/signer.ts";
import { trustOnly } from "./cloud/trust.ts";
import { CommandLog } from "./command/command-log.ts";
import { Dispatcher } from "./command/dispatcher.ts";
import { lockStateDir } from "./durable/lock.ts";
import type { Emit } from "./guest/emit.ts";
import { Guests } from "./guest/guests.ts";
import type { Context } from "./handlers/context.ts";
import { createHandlers } from "./handlers/handlers.ts";
import { reattach } from "./handlers/reattach.ts";
import { HookRunner } from "./hooks/hook-runner.ts";
import { AgentMetrics } from "./metrics/agent-metrics.ts";
import { Tally } from "./metrics/tally.ts";
import { describeBinary } from "./probe/binary.ts";
import { hostFacts } from "./probe/facts.ts";
import { Backoff, pause } from "./runtime/backoff.ts";
import type { AgentConfig } from "./runtime/config.ts";
import type { Log } from "./runtime/log.ts";
import { bootId } from "./runtime/process.ts";

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
  readonly #tally = new Tally();
  readonly #metrics: AgentMetrics;
  readonly #context: Context;
  readonly #unlock: () => void;
  readonly #dispatcher: Dispatcher;
  readonly #identity: Identity;
  readonly #verifier = new CommandVerifier();
  #queueAccess: QueueAccess | undefined;
  #sqs: SQSClient | undefined;
  readonly #signing: SQSClient | undefined;
  readonly #stop = new AbortController();
  #source: CommandSource | undefined;
  readonly #instance = randomUUID();
  readonly #superseded = Promise.withResolvers<never>();
  #checkpoints: NodeJS.Timeout | undefined;
  #hearing: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws Error when the identity cannot be read, or another agent uses the state directory */
  constructor(config: AgentConfig, log: Log) {
    this.#config = config;
    this.#log = log;
    const { apiUrl, host } = config;
    if (config.caFile !== undefined) trustOnly(config.caFile);
    this.#unlock = lockStateDir(config.stateDir);
    const identity = new Identity(config.stateDir, host);
    this.#identity = identity;
    this.#signing = config.signRequests ? new SQSClient({}) : undefined;
    const sign = this.#signing === undefined ? undefined : requestSigner(this.#signing);
    const onRequest = this.#tally.request.bind(this.#tally);
    this.#api = new CloudApi({ apiUrl, host, identity, instance: this.#instance, sign, onRequest });
    this.#commands = new CommandLog(config.stateDir);
    this.#superseded.promise.catch(() => undefined);
    const onSuperseded = (error: SupersededError) => this.#superseded.reject(error);
    this.#outbox = new Outbox({ api: this.#api, stateDir: config.stateDir, log, onSuperseded });
    this.#heartbeat = new Heartbeat({
      api: { heartbeat: (signal) => this.#hear(signal) },
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
      emit: (body, verb) => this.#emitAnswer(body, verb),
      log,
    });
    this.#metrics = new AgentMetrics({
      config: config.metrics,
      guests: this.#guests,
      outbox: this.#outbox,
      tally: this.#tally,
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
    this.#metrics.start();
    this.#checkpoints = setInterval(() => this.#checkpoint(), CHECKPOINT_EVERY_MS);
    const description = await describeBinary(config.qemu, config.stateDir);
    requireSandbox(config, description.sandbox, this.#log);
    const { major, minor, micro } = description.probe.version;
    const qemu = `${major}.${minor}.${micro}`;
    this.#metrics.probed(qemu);
    const facts = await hostFacts(config, description);
    await this.#join();
    const registered = await this.#register(facts);
    if (!registered || this.#stop.signal.aborted) return;
    this.#verifier.setKeys(registered.commandKeys);
    this.#queueAccess = registered.queueAccess;
    this.#sqs = this.#queueClient();
    this.#commands.noteRegistered(bootId(), registered.at);
    this.#outbox.start(registered.acceptedSeq);
    this.#heartbeat.start();
    this.#source = new CommandSource({
      sqs: this.#sqs,
      queueUrl: registered.queueUrl,
      handle: async (body) => this.#take(await this.#open(body)),
      log: this.#log,
    });
    this.#source.start();
    this.#metrics.connected();
    this.#log.info({ host: config.host, qemu }, "agent ready");
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
    this.#metrics.stop();
    await this.#source?.stop();
    await this.#heartbeat.stop();
    await this.#outbox.stop(2_000);
    this.#hookRunner.close();
    await this.#guests.close();
    this.#commands.close();
    this.#sqs?.destroy();
    this.#signing?.destroy();
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

  #emitAnswer(body: EventBody, verb: Verb): void {
    this.#tally.command(verb, body.type === "command.completed" ? "completed" : "failed");
    this.#outbox.emit(body, undefined, isAnswerBatchable(body, verb));
  }

  #checkpoint(): void {
    try {
      this.#guests.memory.checkpoint(!this.#guests.isMigrating);
    } catch (error) {
      this.#log.error({ error }, "the store's log cannot be emptied");
    }
  }

  /** The command of a message. @throws Error when the control plane has not signed it */
  async #open(body: string): Promise<Command> {
    try {
      return this.#verifier.open(body);
    } catch (error) {
      if (!(error instanceof UnknownKeyError)) throw error;
      // The control plane has got another key since the last heartbeat.
      this.#hearing ??= this.#hear(this.#stop.signal).finally(() => {
        this.#hearing = undefined;
      });
      await this.#hearing;
      return this.#verifier.open(body);
    }
  }

  /** A heartbeat; replaces the host's key when its answer asks for that. */
  async #hear(signal: AbortSignal): Promise<void> {
    if (!(await this.#beat(signal))) return;
    await this.#api.join(signal);
    this.#log.info({ keyId: this.#identity.keyId }, "this host has another key");
    await this.#beat(signal);
  }

  /** @returns whether the host's key is to be replaced */
  async #beat(signal: AbortSignal): Promise<boolean> {
    const { commandKeys, queueAccess, rotateKey } = await this.#api.heartbeat(signal);
    this.#verifier.setKeys(commandKeys);
    if (queueAccess !== undefined) this.#queueAccess = queueAccess;
    return rotateKey === true;
  }

  /** On AWS the SDK's own settings have the credentials. */
  #queueClient(): SQSClient {
    if (this.#queueAccess === undefined) return new SQSClient({ useQueueUrlAsEndpoint: false });
    // They change with the host's key, so they are asked for with each request: they never last.
    const credentials = async () => ({ ...this.#required(), expiration: new Date() });
    return new SQSClient({ useQueueUrlAsEndpoint: false, credentials });
  }

  #required(): QueueAccess {
    if (this.#queueAccess !== undefined) return this.#queueAccess;
    throw new Error("The control plane gives no access to the host's queue any more");
  }

  /**
   * Joins by the configured token, unless the present key came by it.
   *
   * @throws CloudRefusedError when the token is refused and there is no key; Error without token and key
   */
  async #join(): Promise<void> {
    const { host, joinTokenFile } = this.#config;
    const token = joinTokenFile === undefined ? undefined : readToken(joinTokenFile, host);
    const hasKey = this.#identity.keyId !== undefined;
    if (token === undefined) {
      if (hasKey) return;
      throw new Error(
        `${host} has no key: issue a join token (switchyard host join-token ${host}) and write it into the joinTokenFile of its configuration`,
      );
    }
    if (this.#identity.hasUsed(token)) return;
    try {
      await this.#repeat("join", (signal) => this.#api.join(signal, token));
    } catch (error) {
      if (!hasKey || !(error instanceof CloudRefusedError)) throw error;
      this.#log.warn({ error }, "the join token is refused, going on with the present key");
    }
  }

  #register(facts: HostFacts) {
    const { heartbeatIntervalMs: heartbeatMs } = this.#config;
    return this.#repeat("register", (signal) => {
      // A guest that has exited is not forgotten: an event that waits says what became of it.
      const guests = [...new Set([...this.#guests.present, ...this.#outbox.unreportedExits])];
      return this.#api.register({ facts, guests, heartbeatMs }, signal);
    });
  }

  /** Until the cloud has answered; undefined when the agent stops. */
  async #repeat<T>(what: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const { signal } = this.#stop;
    const backoff = new Backoff(REGISTER_RETRY);
    while (!signal.aborted) {
      try {
        return await ask(signal);
      } catch (error) {
        if (error instanceof CloudRefusedError || error instanceof SupersededError) throw error;
        if (signal.aborted) return undefined;
        const delayMs = backoff.next();
        this.#log.warn({ error, delayMs }, `failed to ${what}, trying again`);
        await pause(delayMs, signal);
      }
    }
    return undefined;
  }
}

/** Undefined when the file is not there: it may be removed once the host has joined. */
function readToken(path: string, host: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const token = readSecret(path, "join token");
  if (JoinToken.safeParse(token).success) return token;
  throw new Error(
    `Expected a join token in ${path}, syj_ and 43 characters, got ${token.length} characters: write the one there that switchyard host join-token ${host} shows`,
  );
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
