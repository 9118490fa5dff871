import type { Client } from "../../client/client.ts";
import type { Fleet } from "../../rig/fleet.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { ConnectedMachine } from "../machine/connected-machine.ts";
import type { L1 } from "../machine/l1.ts";
import type { L1Process } from "../machine/l1-channel.ts";
import { bundleAgent } from "./agent-bundle.ts";
import {
  createMttyDevice,
  loadMtty,
  type MttyKnobs,
  renewalScript,
  setMttyKnobs,
} from "./rig/mdev.ts";
import type { Rig } from "./rig/rig.ts";

export const SOURCE = "host-a";
export const TARGET = "host-b";
const HOSTS = [SOURCE, TARGET] as const;
export type HostName = (typeof HOSTS)[number];

const AGENT = "/tmp/agent.mjs";
/** What runs in L1 is killed after this. */
const LIFE_MS = 1_800_000;
const SHELL_DEADLINE_MS = 20_000;
/** A device cannot be removed while the driver still loads its last user's state. */
const HOOK_TIMEOUT_MS = 30_000;
/** In emulation, and beside other work, an agent is slow to start. */
const UP_MS = 120_000;

/** Names of the host resources that are the mtty devices of each host. */
export const DEVICES = ["mtty0", "mtty1"] as const;
/** Only the source has it. */
export const LOCAL_DEVICE = "local0";

/**
 * A whole installation: the local cloud on this machine, two host agents in L1, where the VFIO
 * devices are. Both hosts' devices are in the one L1, so each host has its own under one name.
 */
export class VfioFleet {
  readonly #machine: ConnectedMachine;
  readonly #agents = new Map<HostName, L1Process>();
  readonly #logs = new Map<HostName, string>();
  /** How long an agent took to start, ms. */
  agentStartMs = 0;
  /** The migration that was requested last, for error messages. */
  lastMigration: string | undefined;
  #variant: "stock" | "knobs" | undefined;

  private constructor(machine: ConnectedMachine) {
    this.#machine = machine;
  }

  /** @throws Error naming what did not come up; nothing is left then. */
  static async start(rig: Rig, print: (line: string) => void): Promise<VfioFleet> {
    const code = await bundleAgent();
    const machine = await ConnectedMachine.start({ rig, lifeMs: LIFE_MS });
    const { l1 } = machine;
    print(`L1 is up after ${Math.round(l1.bootMs)} ms`);
    const fleet = new VfioFleet(machine);
    try {
      await l1.writeFile(AGENT, code);
      // Once to its end, so that Node keeps the compiled code for the agents.
      await fleet.shell(`node ${AGENT} --version`);
      // One after the other: together they take longer than twice as long.
      for (const host of HOSTS) {
        const startedMs = performance.now();
        await fleet.#addHost(host);
        fleet.agentStartMs = Math.round(performance.now() - startedMs);
        print(`the agent of ${host} is up after ${fleet.agentStartMs} ms`);
      }
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  get l1(): L1 {
    return this.#machine.l1;
  }

  get api(): Client {
    return this.cloud.api;
  }

  get cloud(): Fleet {
    return this.#machine.cloud;
  }

  /**
   * Creates new devices, as every guest needs, on both hosts and sets their behaviour. Before each
   * migration the target's agent creates its own anew again, by a hook.
   */
  async renewDevices(knobs: MttyKnobs | "stock"): Promise<void> {
    const variant = knobs === "stock" ? "stock" : "knobs";
    if (this.#variant !== variant) {
      await loadMtty(this.l1, variant);
      this.#variant = variant;
    }
    if (knobs !== "stock") await setMttyKnobs(this.l1, knobs);
    for (const host of HOSTS) {
      for (const index of DEVICES.keys()) await createMttyDevice(this.l1, uuidOf(host, index));
    }
  }

  guestFolder(host: HostName, vm: string): string {
    return `/tmp/${host}/r/${vm}`;
  }

  /** Runs a line of shell in L1. @throws Error when it fails. */
  async shell(script: string): Promise<string> {
    const options = { deadlineMs: SHELL_DEADLINE_MS };
    const { exitCode, stdout, stderr } = await this.l1.run(["sh", "-c", script], options);
    if (exitCode !== 0) throw new Error(`Failed to run "${script}" in L1 (${exitCode}): ${stderr}`);
    return stdout;
  }

  /** Like a crash of the agent: its guests keep running. */
  async killAgent(host: HostName): Promise<void> {
    const agent = this.#agents.get(host);
    await agent?.kill("SIGKILL");
    await agent?.exited;
  }

  async startAgent(host: HostName): Promise<void> {
    const agent = await this.l1.spawn(["node", AGENT, "--config", `/tmp/${host}/agent.json`], {
      deadlineMs: LIFE_MS,
      env: this.#agentEnvironment(),
      onOutput: (text) =>
        this.#logs.set(host, ((this.#logs.get(host) ?? "") + text).slice(-20_000)),
    });
    this.#agents.set(host, agent);
  }

  /** The last migration's timeline and the ends of the agents' logs, for error messages. */
  async diagnosis(): Promise<string> {
    const id = this.lastMigration;
    const none = { items: [] };
    const timeline = id === undefined ? none : await this.api.getTimeline(id).catch(() => none);
    return [
      ...timeline.items.map(
        ({ at, origin, type, detail }) => `${at} ${origin} ${type} ${JSON.stringify(detail)}`,
      ),
      ...HOSTS.map((host) => `${host}: ${this.#log(host).slice(-1_500)}`),
    ].join("\n");
  }

  /** May be called again. */
  stop(): Promise<void> {
    return this.#machine.stop();
  }

  #log(host: HostName): string {
    return this.#logs.get(host) ?? "";
  }

  async #addHost(host: HostName): Promise<void> {
    const { joinToken } = await this.api.createHost({ id: host });
    const folder = `/tmp/${host}`;
    const hook = `${folder}/renew-devices`;
    const config = {
      host,
      apiUrl: this.api.url,
      joinTokenFile: "join-token",
      runDir: "r",
      stateDir: "s",
      progressIntervalMs: 500,
      resources: resourcesOf(host),
      // A guest that runs keeps its devices: only the target's are created anew.
      ...(host === TARGET && {
        hooks: { prepare: { command: [hook], timeoutMs: HOOK_TIMEOUT_MS } },
      }),
    };
    const file = `${folder}/join-token`;
    await this.shell(`mkdir -p ${folder} && touch ${file} && chmod 600 ${file}`);
    await this.l1.writeFile(file, joinToken.token);
    const uuids = DEVICES.map((_, index) => uuidOf(host, index));
    await this.l1.writeFile(hook, renewalScript(uuids));
    await this.shell(`chmod 700 ${hook}`);
    await this.l1.writeFile(`${folder}/agent.json`, JSON.stringify(config));
    await this.startAgent(host);
    let ended = false;
    const onEnd = () => {
      ended = true;
    };
    void this.#agents.get(host)?.exited.then(onEnd, onEnd);
    const up = async () => {
      if (ended) throw new Error(`The agent of ${host} ended: ${this.#log(host)}`);
      return (await this.api.getHost(host)).state === "active" ? true : undefined;
    };
    await waitUntil(`the agent of ${host}`, up, { timeoutMs: UP_MS, everyMs: 50 });
  }

  #agentEnvironment(): Record<string, string> {
    return { ...this.#machine.agentEnvironment, LOG_LEVEL: process.env.LOG_LEVEL ?? "info" };
  }
}

function uuidOf(host: HostName, index: number): string {
  return `0e5c2f4e-6f0a-4d7e-9a51-0000000000${HOSTS.indexOf(host) + 1}${index}`;
}

function resourcesOf(host: HostName): Record<string, string> {
  const path = (index: number) => `/sys/bus/mdev/devices/${uuidOf(host, index)}`;
  const all = Object.fromEntries(DEVICES.map((name, index) => [name, path(index)]));
  return host === SOURCE ? { ...all, [LOCAL_DEVICE]: path(0) } : all;
}
