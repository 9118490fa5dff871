import { randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, createClient } from "../client/client.ts";
import type { Migration } from "../core/migration/migration.ts";
import { isFinal } from "../core/migration/migration.ts";
import type { Host } from "../core/protocol/host.ts";
import type { VmDefinition } from "../core/vm.ts";
import type { Certificates } from "./certificates.ts";
import { Child } from "./child.ts";
import { ownedFolder, removeFolder } from "./owned-folder.ts";
import { waitUntil } from "./wait-until.ts";

/** For busy machines: on others nothing takes nearly as long. */
const START_MS = 80_000;
const ROOT = resolve(fileURLToPath(import.meta.url), "../..");

type Ready = {
  apiUrl: string;
  publicUrl?: string;
  dashboardUrl: string;
  operatorToken: string;
  agentEnvironment: Record<string, string>;
  environment: Record<string, string>;
};

export type FleetOptions = {
  /** The QEMU binary of each host, by the host's name. */
  hosts: Record<string, string>;
  /**
   * Base port of the local cloud. Default: SWITCHYARD_PORT, or any. A cloud that is started again
   * needs a fixed one, and so does an outside Step Functions, which calls the functions.
   */
  port?: number;
  /** Environment of all processes (log level, model settings). */
  environment?: Record<string, string>;
  /**
   * The cloud's functions call every service over HTTP with signatures, as on AWS. Default: over
   * the emulators' own transport, within its process.
   */
  http?: boolean;
  /** The cloud waits for the disk, as it does for operators. */
  flush?: boolean;
  /** Agents reach the cloud by TLS, with this certificate for 127.0.0.1. */
  tls?: Certificates;
  /** Webhooks may be delivered to loopback addresses. */
  hasLocalReceivers?: true;
  /** Environment of the agents alone, such as another endpoint of a service. */
  agentEnvironment?: Record<string, string>;
  /** A command that runs the agents of a host, by the host's name; see {@link Child}. */
  wrappers?: Record<string, readonly string[]>;
  /** More fields of the agents' configuration. */
  agent?: object;
  /** The name of a host resource: on each host a folder of its own, `<host>-images` in the fleet's. */
  imagesFolder?: string;
  /** More fields of one host's agent, by the host's name. */
  agents?: Record<string, object>;
  /** More fields of the hosts, such as their slots. */
  host?: { slotsOut?: number; slotsIn?: number };
  /** How long a part may take to start, ms. Default 80 s. */
  startMs?: number;
  /** Its folder: created at the start, removed by `stop`. Default: a new temporary folder. */
  folder?: string;
};

/**
 * A whole installation on this machine: the local cloud and one agent per host, each a process of
 * its own as in production. For the demo, benchmarks and end-to-end tests.
 */
export class Fleet {
  readonly folder: string;
  readonly #options: FleetOptions;
  readonly #name = sharesServices() ? `sy-${randomBytes(3).toString("hex")}` : "switchyard";
  readonly #agents = new Map<string, Child>();
  #cloud: Child | undefined;
  #ready: Ready | undefined;
  #api: Client | undefined;

  private constructor(folder: string, options: FleetOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /** @throws Error with the end of the log of the part that did not start; nothing runs then. */
  static async start(options: FleetOptions): Promise<Fleet> {
    if (options.folder !== undefined) mkdirSync(options.folder, { mode: 0o700 });
    const folder = options.folder ?? ownedFolder();
    const fleet = new Fleet(folder, options);
    try {
      await fleet.startCloud();
      await Promise.all(Object.keys(options.hosts).map((host) => fleet.#addHost(host)));
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  get api(): Client {
    if (!this.#api) throw new Error("The cloud is not running");
    return this.#api;
  }

  /** The dashboard, with a code that signs the first one in who opens it. */
  get dashboardUrl(): string {
    if (this.#ready === undefined) throw new Error("The cloud is not running");
    return this.#ready.dashboardUrl;
  }

  /** The operators' token. */
  get operatorToken(): string {
    if (this.#ready === undefined) throw new Error("The cloud is not running");
    return this.#ready.operatorToken;
  }

  /** Base URL of the control plane for agents. */
  get agentUrl(): string {
    return this.#ready?.publicUrl ?? this.api.url;
  }

  /** Where the queues are, for the AWS SDK of an agent. */
  get agentEnvironment(): Record<string, string> {
    return this.#ready?.agentEnvironment ?? {};
  }

  /** Addresses and credentials for the AWS SDK. */
  get environment(): Record<string, string> {
    return this.#ready?.environment ?? {};
  }

  get cloud(): Child {
    if (!this.#cloud) throw new Error("The cloud is not running");
    return this.#cloud;
  }

  agent(host: string): Child {
    const agent = this.#agents.get(host);
    if (!agent) throw new Error(`There is no agent on ${host}`);
    return agent;
  }

  /** The folder of a guest on a host: sockets, logs, manifest. */
  guestFolder(host: string, vm: string): string {
    return join(this.folder, host, "run", vm);
  }

  serialLog(host: string, vm: string): string {
    return join(this.guestFolder(host, vm), "serial.log");
  }

  /** What the agents of a host have written to stdout and stderr. */
  agentLog(host: string): string {
    return join(this.folder, `${host}.log`);
  }

  /** The process of a guest on a host; undefined when there is none. */
  guestPid(host: string, vm: string): number | undefined {
    try {
      const text = readFileSync(join(this.guestFolder(host, vm), "guest.json"), "utf8");
      const { pid } = JSON.parse(text) as { pid: number };
      process.kill(pid, 0);
      return pid;
    } catch {
      return undefined;
    }
  }

  async startCloud(): Promise<void> {
    const readyFile = join(this.folder, "ready.json");
    rmSync(readyFile, { force: true });
    const { port = process.env.SWITCHYARD_PORT ?? 0 } = this.#options;
    const cloud = new Child({
      name: "cloud",
      args: [
        join(ROOT, "local/main.ts"),
        `--data-dir=${join(this.folder, "cloud")}`,
        `--port=${port}`,
        `--name=${this.#name}`,
        `--ready-file=${readyFile}`,
        // The folder ends with the fleet.
        ...(this.#options.flush ? [] : ["--no-flush"]),
        ...this.#listening(),
        ...(this.#options.hasLocalReceivers ? ["--webhook-receivers=loopback"] : []),
      ],
      environment: {
        ...this.#options.environment,
        ...(this.#options.http ? { SWITCHYARD_LOCAL_HTTP: "1" } : {}),
      },
      logFile: join(this.folder, "cloud.log"),
    });
    this.#cloud = cloud;
    this.#ready = await this.#await("the local cloud", () => {
      if (!cloud.isRunning) throw new Error(`The local cloud ended: ${cloud.logTail()}`);
      return readJson<Ready>(readyFile);
    });
    this.#api = createClient({
      url: this.#ready.apiUrl,
      token: this.#ready.operatorToken,
    });
  }

  #listening(): string[] {
    const { tls } = this.#options;
    if (tls === undefined) return [];
    const files = [`--tls-cert=${tls.cert}`, `--tls-key=${tls.key}`];
    return ["--listen=127.0.0.1", "--listen-port=0", ...files];
  }

  startAgent(host: string): void {
    this.#agents.set(host, this.spawnAgent(join(this.folder, host)));
  }

  /** For the next start of an agent without a key: its operator brings it this token. */
  putJoinToken(host: string, token: string): void {
    writeFileSync(join(this.folder, host, "join-token"), token, { mode: 0o600 });
  }

  /** Starts the agent of a host that has lost its key, as its operator would. */
  async startAgentWithoutKey(host: string): Promise<void> {
    this.putJoinToken(host, (await this.api.issueJoinToken(host)).token);
    this.startAgent(host);
  }

  /**
   * An agent with the configuration in this folder, of which this fleet takes no note. A file `boot-id`
   * there takes the place of the machine's own: see host-crash.ts.
   */
  spawnAgent(folder: string): Child {
    const bootIdFile = join(folder, "boot-id");
    const wrapper = this.#options.wrappers?.[basename(folder)];
    return new Child({
      name: `agent ${basename(folder)}`,
      ...(wrapper === undefined ? {} : { wrapper }),
      args: [join(ROOT, "agent/main.ts"), "--config", join(folder, "agent.json")],
      environment: {
        ...this.#ready?.agentEnvironment,
        ...this.#options.environment,
        ...this.#options.agentEnvironment,
        ...(existsSync(bootIdFile) ? { SWITCHYARD_BOOT_ID_FILE: bootIdFile } : {}),
      },
      logFile: `${folder}.log`,
    });
  }

  /** Copies what makes an agent this host's: its configuration and its key. Its memory stays behind. */
  copyIdentity(host: string, folder: string): void {
    mkdirSync(join(folder, "state"), { recursive: true, mode: 0o700 });
    for (const name of ["agent.json", "join-token", "boot-id", "state/identity.json"]) {
      const from = join(this.folder, host, name);
      if (!existsSync(from)) continue;
      copyFileSync(from, join(folder, name));
      chmodSync(join(folder, name), 0o600);
    }
  }

  async waitForHost(host: string): Promise<Host> {
    return this.#await(`host ${host}`, async () => {
      const agent = this.agent(host);
      if (!agent.isRunning) throw new Error(`The agent of ${host} ended: ${agent.logTail()}`);
      const found = await this.api.getHost(host);
      return found.state === "active" ? found : undefined;
    });
  }

  async startVm(vm: string, host: string, definition: VmDefinition): Promise<void> {
    await this.api.createVm({ id: vm, host, definition });
    await this.#await(`VM ${vm}`, async () => {
      const found = await this.api.getVm(vm);
      if (found.state === "failed") throw new Error(`VM ${vm} did not start: ${found.detail}`);
      return found.state === "running" ? found : undefined;
    });
  }

  /** Waits for the end; calls `onChange` with each new state of the record that it reads. */
  async waitForMigration(
    id: string,
    options: {
      timeoutMs?: number;
      /** How often the record is read: each read costs the control plane time. Default 50 ms. */
      everyMs?: number;
      onChange?: (migration: Migration) => void;
    } = {},
  ): Promise<Migration> {
    let last = "";
    return waitUntil(
      `the end of ${id}`,
      async () => {
        const migration = await this.api.getMigration(id);
        const state = JSON.stringify([migration.phase, migration.status, migration.progress]);
        if (state !== last) options.onChange?.(migration);
        last = state;
        return isFinal(migration.status) ? migration : undefined;
      },
      { timeoutMs: options.timeoutMs ?? 120_000, everyMs: options.everyMs ?? 50 },
    );
  }

  /** Ends all guests, agents and the cloud, and removes the files. May be called again. */
  async stop(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.stop()));
    await this.#cloud?.stop();
    removeFolder(this.folder);
  }

  #await<T>(what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
    return waitUntil(what, probe, { timeoutMs: this.#options.startMs ?? START_MS });
  }

  async #addHost(host: string): Promise<void> {
    const { joinToken } = await this.api.createHost({ id: host, ...this.#options.host });
    const folder = join(this.folder, host);
    mkdirSync(folder, { mode: 0o700 });
    this.putJoinToken(host, joinToken.token);
    const config = {
      host,
      apiUrl: this.agentUrl,
      ...(this.#options.tls && { caFile: this.#options.tls.ca }),
      joinTokenFile: "join-token",
      runDir: "run",
      stateDir: "state",
      qemu: this.#options.hosts[host],
      // Hosts and fleets on one machine share its ports.
      migrationPorts: { min: 0, max: 0 },
      ...this.#imagesOf(host),
      ...this.#options.agent,
      ...this.#options.agents?.[host],
    };
    writeFileSync(join(folder, "agent.json"), JSON.stringify(config), { mode: 0o600 });
    this.startAgent(host);
    await this.waitForHost(host);
  }

  #imagesOf(host: string) {
    const { imagesFolder } = this.#options;
    if (imagesFolder === undefined) return {};
    const path = join(this.folder, `${host}-images`);
    mkdirSync(path, { mode: 0o700 });
    return { resources: { [imagesFolder]: { type: "folder", path } } };
  }
}

/** Then the fleet's table, queues and state machines have a name of their own. */
function sharesServices(): boolean {
  return Object.keys(process.env).some((name) => name.startsWith("AWS_ENDPOINT_URL_"));
}

function readJson<T>(path: string): T | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T) : undefined;
}
