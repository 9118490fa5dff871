import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SQSClient } from "@aws-sdk/client-sqs";
import { CloudApi } from "../agent/cloud/api.ts";
import { CommandSource } from "../agent/cloud/command-source.ts";
import { Identity } from "../agent/cloud/identity.ts";
import { trustOnly } from "../agent/cloud/trust.ts";
import { createLog } from "../agent/runtime/log.ts";
import { HostId, type MigrationId, type VmId } from "../core/id.ts";
import { type Command, CommandEnvelope } from "../core/protocol/command.ts";
import { EventBody } from "../core/protocol/event.ts";
import type { HostFacts } from "../core/protocol/host.ts";
import type { QueueAccess } from "../core/protocol/identity.ts";
import type { QemuProbe } from "../core/protocol/probe.ts";
import { listCapabilities } from "../emulators/qemu/catalog/capabilities.ts";
import { defaultParameters } from "../emulators/qemu/catalog/parameters.ts";
import { parseVersion } from "../emulators/qemu/catalog/version.ts";
import type { Fleet } from "./fleet.ts";

const HEARTBEAT_MS = 15_000;
const VERSION = parseVersion("10.0.2");
const MACHINE = "pc-i440fx-10.0";
const qemu: QemuProbe = {
  binary: "model",
  version: { major: 10, minor: 0, micro: 2, package: "model" },
  architecture: "x86_64",
  capabilities: listCapabilities(VERSION),
  // As JSON has them.
  parameters: JSON.parse(JSON.stringify(defaultParameters(VERSION))),
  machines: [{ name: MACHINE, alias: "pc", deprecated: false }],
  multifdCompression: ["none"],
  exitOnError: true,
  vfioProperties: [],
  traceLog: true,
};

export type ModelHostOptions = {
  readonly slotsOut: number;
  readonly slotsIn: number;
  readonly memoryBytes: number;
  readonly linkBytesPerSecond: number;
};

/** How long what a model QEMU does takes, ms. */
export type ModelTimes = { readonly prepareMs: number; readonly transferMs: number };

/** What has happened on the hosts in truth, in this order. */
export type ModelEvent = {
  readonly is: "started" | "prepared" | "begun" | "arrived" | "ended";
  readonly vm: VmId;
  readonly host: HostId;
  /** Of `begun` and `arrived`: `host` is the source. */
  readonly target?: HostId;
};

type Move = {
  readonly vm: VmId;
  readonly migrationId: MigrationId;
  readonly epoch: number;
  readonly memoryBytes: number;
  target: ModelHost;
  state: "prepared" | "begun" | "arrived" | "ended";
};

/**
 * Hosts and their guests in this process, for fleets that are too large for a process each. They speak
 * the agents' protocol with the agents' own client: requests that are signed, queues that are polled,
 * events in order. What QEMU would do takes the time that was given.
 */
export class ModelHosts {
  readonly log: ModelEvent[] = [];
  /** Where each guest runs. */
  readonly places = new Map<VmId, HostId>();
  readonly moves = new Map<MigrationId, Move>();
  readonly memory = new Map<VmId, number>();
  /** Of what begins from now on. */
  times: ModelTimes;
  readonly #hosts: ModelHost[] = [];

  /** `caFile`: of the authority that this process trusts from then on. */
  constructor(times: ModelTimes, caFile?: string) {
    this.times = times;
    if (caFile !== undefined) trustOnly(caFile);
  }

  /** Adds a host to the fleet; its agent joins and is heard from then on. */
  async add(fleet: Fleet, name: string, options: ModelHostOptions): Promise<void> {
    const host = await ModelHost.join(this, { fleet, name, options });
    this.#hosts.push(host);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
  }
}

type Joining = { fleet: Fleet; name: string; options: ModelHostOptions };

class ModelHost {
  readonly id: HostId;
  readonly #all: ModelHosts;
  readonly #api: CloudApi;
  readonly #sqs: SQSClient;
  readonly #stop = new AbortController();
  readonly #options: ModelHostOptions;
  #source: CommandSource | undefined;
  #access: QueueAccess = { accessKeyId: "", secretAccessKey: "" };
  #seq = 0;
  #posting: Promise<void> = Promise.resolve();
  readonly #sending: Promise<void>[] = [];
  #beating: Promise<void> = Promise.resolve();

  private constructor(all: ModelHosts, { fleet, name, options }: Joining) {
    this.id = HostId.parse(name);
    this.#all = all;
    this.#options = options;
    const stateDir = join(fleet.folder, name);
    mkdirSync(stateDir, { mode: 0o700 });
    const identity = new Identity(stateDir, this.id);
    this.#api = new CloudApi({
      apiUrl: fleet.agentUrl,
      host: this.id,
      identity,
      instance: `model-${name}`,
      timeoutMs: 60_000,
    });
    const { AWS_ENDPOINT_URL_SQS: endpoint = "", AWS_REGION: region = "" } = fleet.agentEnvironment;
    this.#sqs = new SQSClient({
      endpoint,
      region,
      useQueueUrlAsEndpoint: false,
      // They change with the host's key, as an agent's do.
      credentials: async () => ({ ...this.#access, expiration: new Date() }),
    });
  }

  static async join(all: ModelHosts, joining: Joining): Promise<ModelHost> {
    const { fleet, name, options } = joining;
    const { slotsOut, slotsIn } = options;
    const { joinToken } = await fleet.api.createHost({ id: name, slotsOut, slotsIn });
    const host = new ModelHost(all, joining);
    await host.#join(joinToken.token);
    return host;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#source?.stop();
    await this.#beating;
    await Promise.allSettled([this.#posting, ...this.#sending]);
    this.#sqs.destroy();
  }

  async #join(token: string): Promise<void> {
    const { signal } = this.#stop;
    await this.#api.join(signal, token);
    const facts: HostFacts = {
      agentVersion: "0.1.0",
      migrationAddress: "127.0.0.1",
      memoryBytes: this.#options.memoryBytes,
      linkBytesPerSecond: this.#options.linkBytesPerSecond,
      qemu,
    };
    const own = { facts, guests: [], heartbeatMs: HEARTBEAT_MS };
    const { queueUrl, acceptedSeq, queueAccess } = await this.#api.register(own, signal);
    this.#seq = acceptedSeq;
    this.#access = queueAccess ?? this.#access;
    this.#source = new CommandSource({
      sqs: this.#sqs,
      queueUrl,
      handle: (body) => this.#handle(CommandEnvelope.parse(JSON.parse(body)).command),
      log: createLog(`model ${this.id}`),
    });
    this.#source.start();
    this.#beating = this.#beat();
  }

  async #beat(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await delay(HEARTBEAT_MS, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.#api.heartbeat(signal).catch(() => undefined);
    }
  }

  /** Posts events after those posted before, as an agent does. */
  #post(...bodies: object[]): Promise<void> {
    const events = bodies.map((body) => {
      this.#seq += 1;
      return { seq: this.#seq, atMs: Date.now(), body: EventBody.parse(body) };
    });
    this.#posting = this.#posting.then(async () => {
      if (!this.#stop.signal.aborted) await this.#api.postEvents(events, this.#stop.signal);
    });
    return this.#posting;
  }

  async #handle(command: Command): Promise<void> {
    const { id: commandId, verb } = command;
    if (verb === "target.prepare") await delay(this.#all.times.prepareMs);
    const result = this.#execute(command);
    await this.#post({ type: "command.completed", commandId, result });
    // As an agent does: the command is done when it is answered.
    if (verb === "source.start") this.#sending.push(this.#send(command));
  }

  #execute(command: Command): unknown {
    const { verb, vm } = command;
    const memoryBytes = this.#all.memory.get(vm) ?? 0;
    switch (verb) {
      case "guest.start":
        return this.#start(command);
      case "source.probe":
        return { ...sourceProbe, memoryBytes };
      case "target.probe":
        return { ...targetProbe, memoryFreeBytes: this.#options.memoryBytes };
      case "target.prepare":
        return this.#prepare(command);
      case "source.start":
        return { startedAtMs: Date.now() };
      case "target.discard":
      case "source.discard":
        return this.#discard(command);
      default:
        throw new Error(`The model hosts do not model ${verb} of ${vm}`);
    }
  }

  #start({ vm, args }: Command) {
    const { definition } = args as { definition: { memoryBytes: number } };
    this.#all.places.set(vm, this.id);
    this.#all.memory.set(vm, definition.memoryBytes);
    this.#all.log.push({ is: "started", vm, host: this.id });
    return { definition: { ...definition, machine: MACHINE }, pid: 1, runState: "running" };
  }

  #prepare({ vm, migrationId, epoch = 0 }: Command) {
    if (migrationId === undefined) throw new Error(`Expected a migration that prepares ${vm}`);
    const memoryBytes = this.#all.memory.get(vm) ?? 0;
    const move = { vm, migrationId, epoch, memoryBytes, target: this, state: "prepared" } as const;
    if (!this.#all.moves.has(migrationId)) {
      this.#all.moves.set(migrationId, { ...move });
      this.#all.log.push({ is: "prepared", vm, host: this.id });
    }
    const handover = { address: "127.0.0.1", port: 4445 };
    const { prepareMs: startMs } = this.#all.times;
    return { migrationUri: "tcp:127.0.0.1:4444", handover, pid: 1, startMs };
  }

  #discard({ vm, migrationId, verb }: Command) {
    const move = migrationId === undefined ? undefined : this.#all.moves.get(migrationId);
    if (verb === "target.discard" && move?.state === "prepared") {
      move.state = "ended";
      this.#all.log.push({ is: "ended", vm, host: this.id });
    }
    return { discarded: true };
  }

  /** The stream of one migration, and its end on both hosts. */
  async #send({ vm, migrationId }: Command): Promise<void> {
    const move = migrationId === undefined ? undefined : this.#all.moves.get(migrationId);
    if (move?.state !== "prepared") return;
    const { target, epoch, memoryBytes } = move;
    const of = (body: object) => ({ migrationId, vm, epoch, ...body });
    const ends = { vm, host: this.id, target: target.id };
    move.state = "begun";
    this.#all.log.push({ is: "begun", ...ends });
    const { transferMs } = this.#all.times;
    const progress = progressOf(memoryBytes, transferMs);
    await this.#post(of({ type: "migration.started" }));
    await delay(transferMs / 2);
    await this.#post(of({ type: "migration.progress", progress }));
    await delay(transferMs / 2);
    move.state = "arrived";
    this.#all.places.set(vm, target.id);
    this.#all.log.push({ is: "arrived", ...ends });
    const done = { ...progress, status: "completed", ramRemainingBytes: 0 };
    const figures = { downtimeMs: 20, totalTimeMs: transferMs, progress: done };
    await Promise.all([
      this.#post(
        of({ type: "migration.converged" }),
        of({ type: "migration.acked", evidence: "trace", pending: 0 }),
        of({ type: "migration.stopped" }),
        of({ type: "migration.source-completed", figures, handedOver: true }),
      ),
      target.#post(of({ type: "migration.target-arrived", runState: "running" })),
    ]);
  }
}

const sourceProbe = {
  qemu,
  machineType: MACHINE,
  accelerator: "tcg",
  dirtyRing: false,
  runState: "running",
  migrationStatus: "none",
  cpus: 1,
  vfioDevices: [],
  blockers: [],
};
const targetProbe = {
  qemu,
  accelerators: ["tcg"],
  vmPresent: false,
  userfaultfd: true,
  missingResources: [],
};

function progressOf(memoryBytes: number, transferMs: number) {
  return {
    status: "active",
    totalTimeMs: Math.round(transferMs / 2),
    ramTotalBytes: memoryBytes,
    ramTransferredBytes: memoryBytes,
    ramRemainingBytes: Math.round(memoryBytes / 2),
    dirtyBytesPerSecond: 1_048_576,
    dirtySyncCount: 2,
    bandwidthBytesPerSecond: 1_250_000_000,
    expectedDowntimeMs: 20,
  };
}
