import { readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { HostFacts } from "../core/protocol/host.ts";
import { CloudApi, CloudRefusedError } from "./cloud/api.ts";
import { canAnswerWait } from "./cloud/batching.ts";
import { CommandSource } from "./cloud/command-source.ts";
import { Outbox } from "./cloud/outbox.ts";
import { CommandLog } from "./command/command-log.ts";
import { Dispatcher } from "./command/dispatcher.ts";
import { lockStateDir } from "./durable/lock.ts";
import { Guests } from "./guest/guests.ts";
import type { Context } from "./handlers/context.ts";
import { createHandlers } from "./handlers/handlers.ts";
import { reattach } from "./handlers/reattach.ts";
import { HookRunner } from "./hooks/hook-runner.ts";
import { describeBinary } from "./probe/binary.ts";
import type { AgentConfig } from "./runtime/config.ts";
import type { Log } from "./runtime/log.ts";

export const AGENT_VERSION = "0.1.0";
const REGISTER_RETRY_MS = { first: 200, max: 5_000 };

/** One host's agent: dials out, takes commands, tells events, and looks after its guests. */
export class Agent {
  readonly #config: AgentConfig;
  readonly #log: Log;
  readonly #api: CloudApi;
  readonly #outbox: Outbox;
  readonly #commands: CommandLog;
  readonly #guests: Guests;
  readonly #hookRunner = new HookRunner();
  readonly #context: Context;
  readonly #unlock: () => void;
  readonly #dispatcher: Dispatcher;
  readonly #sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  readonly #stop = new AbortController();
  #source: CommandSource | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws Error when the key cannot be read, or another agent uses the state directory. */
  constructor(config: AgentConfig, log: Log) {
    this.#config = config;
    this.#log = log;
    this.#api = new CloudApi({ apiUrl: config.apiUrl, host: config.host, key: readKey(config) });
    this.#unlock = lockStateDir(config.stateDir);
    this.#commands = new CommandLog(config.stateDir);
    this.#outbox = new Outbox({ api: this.#api, stateDir: config.stateDir, log });
    const put: Outbox["put"] = (body, atMs) => this.#outbox.put(body, atMs);
    this.#guests = new Guests({
      runDir: config.runDir,
      stateDir: config.stateDir,
      log,
      onExit: (vm, detail) => put({ type: "guest.exited", vm, detail }),
    });
    this.#context = { config, guests: this.#guests, hookRunner: this.#hookRunner, emit: put, log };
    this.#dispatcher = new Dispatcher({
      host: config.host,
      handlers: createHandlers(this.#context),
      commands: this.#commands,
      put: (body, verb) => this.#outbox.put(body, undefined, canAnswerWait(body, verb)),
      log,
    });
  }

  /**
   * Takes over the guests that run here, registers with the cloud (trying for as long as it takes),
   * then receives commands.
   *
   * @throws CloudRefusedError when the cloud does not accept this host; Error when there is no QEMU.
   */
  async start(): Promise<void> {
    const config = this.#config;
    // First of all the guests: their migrations cannot wait for anything else.
    await reattach(this.#context);
    const { probe: qemu } = await describeBinary(config.qemu, config.stateDir);
    const facts: HostFacts = {
      agentVersion: AGENT_VERSION,
      migrationAddress: config.migrationAddress,
      memoryBytes: config.memoryBytes,
      qemu,
    };
    const registered = await this.#register(facts);
    if (!registered || this.#stop.signal.aborted) return;
    this.#outbox.start(registered.acceptedSeq);
    this.#source = new CommandSource({
      sqs: this.#sqs,
      queueUrl: registered.queueUrl,
      handle: (command) => this.#dispatcher.take(command),
      log: this.#log,
    });
    this.#source.start();
    const { major, minor, micro } = qemu.version;
    this.#log.info({ host: config.host, qemu: `${major}.${minor}.${micro}` }, "agent ready");
  }

  /**
   * Stops receiving, waits for commands at work (at most 10 s), delivers what is left (at most 2 s)
   * and lets go of the guests: they run on. What was cut off is refused when it comes again.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#shutDown();
    return this.#stopping;
  }

  async #shutDown(): Promise<void> {
    this.#stop.abort();
    await this.#source?.stop();
    await this.#outbox.stop(2_000);
    this.#hookRunner.close();
    await this.#guests.close();
    this.#commands.close();
    this.#sqs.destroy();
    this.#unlock();
  }

  async #register(facts: HostFacts) {
    let delayMs = REGISTER_RETRY_MS.first;
    while (!this.#stop.signal.aborted) {
      try {
        return await this.#api.register(facts, this.#stop.signal);
      } catch (error) {
        if (error instanceof CloudRefusedError) throw error;
        if (this.#stop.signal.aborted) return undefined;
        this.#log.warn({ error, delayMs }, "the cloud cannot be reached, trying again");
        const { signal } = this.#stop;
        await sleep(delayMs, undefined, { signal }).catch(() => undefined);
        delayMs = Math.min(delayMs * 2, REGISTER_RETRY_MS.max);
      }
    }
    return undefined;
  }
}

/** @throws Error when the file cannot be read or others may read it. */
function readKey(config: AgentConfig): string {
  const { mode } = statSync(config.keyFile);
  if ((mode & 0o077) !== 0) {
    throw new Error(`Expected ${config.keyFile} to be readable by its owner only: chmod 600`);
  }
  const key = readFileSync(config.keyFile, "utf8").trim();
  if (key.length < 32) throw new Error(`Expected a host key in ${config.keyFile}`);
  return key;
}
