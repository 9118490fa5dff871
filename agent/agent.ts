import { readFileSync, statSync } from "node:fs";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { HostFacts } from "../core/host.ts";
import { CloudApi, CloudRefusedError } from "./cloud/api.ts";
import { CommandSource } from "./cloud/command-source.ts";
import { Outbox } from "./cloud/outbox.ts";
import { CommandLog } from "./command-log.ts";
import type { AgentConfig } from "./config.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Guest } from "./guest/guest.ts";
import { Guests } from "./guests.ts";
import { createHandlers } from "./handlers.ts";
import type { Log } from "./log.ts";
import { SourceMigration } from "./migrate/source.ts";
import { TargetMigration } from "./migrate/target.ts";
import { probeBinary } from "./probe/binary.ts";

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
  readonly #dispatcher: Dispatcher;
  readonly #sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  readonly #stop = new AbortController();
  #source: CommandSource | undefined;

  constructor(config: AgentConfig, log: Log) {
    this.#config = config;
    this.#log = log;
    this.#api = new CloudApi({ apiUrl: config.apiUrl, host: config.host, key: readKey(config) });
    this.#commands = new CommandLog(config.stateDir);
    this.#outbox = new Outbox({ api: this.#api, stateDir: config.stateDir, log });
    const put: Outbox["put"] = (body, atMs) => this.#outbox.put(body, atMs);
    this.#guests = new Guests({
      runDir: config.runDir,
      log,
      onExit: (vm, detail) => put({ type: "guest.exited", vm, detail }),
    });
    this.#dispatcher = new Dispatcher({
      host: config.host,
      handlers: createHandlers({ config, guests: this.#guests, put, log }),
      commands: this.#commands,
      put,
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
    const { config } = { config: this.#config };
    const qemu = await probeBinary(config.qemu, config.stateDir);
    for (const guest of await this.#guests.reattach()) await this.#takeUp(guest);
    const facts: HostFacts = {
      agentVersion: AGENT_VERSION,
      migrationAddress: config.migrationAddress,
      memoryBytes: config.memoryBytes,
      qemu,
    };
    const registered = await this.#register(facts);
    if (!registered) return;
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

  /** Stops receiving, delivers what is left (at most 2 s) and lets go of the guests: they run on. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#source?.stop();
    await this.#outbox.stop(2_000);
    await this.#guests.close();
    this.#commands.close();
    this.#sqs.destroy();
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
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        delayMs = Math.min(delayMs * 2, REGISTER_RETRY_MS.max);
      }
    }
    return undefined;
  }

  /** A migration that was under way when the agent died goes on being watched. */
  async #takeUp(guest: Guest): Promise<void> {
    const memory = guest.manifest.migration;
    if (!memory || memory.over) return;
    const options = {
      guest,
      id: memory.id,
      epoch: memory.epoch,
      emit: (body: Parameters<Outbox["put"]>[0], atMs?: number) => this.#outbox.put(body, atMs),
      log: this.#log,
    };
    const migration =
      memory.role === "source"
        ? new SourceMigration({
            ...options,
            progressIntervalMs: this.#config.progressIntervalMs,
          })
        : new TargetMigration({ ...options, address: this.#config.migrationAddress });
    this.#guests.setMigrating(guest.vm, migration);
    await migration.takeUp().catch((error: unknown) => {
      this.#log.error({ error, vm: guest.vm }, "a migration under way cannot be taken up");
    });
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
