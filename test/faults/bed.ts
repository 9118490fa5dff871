import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../client/api-error.ts";
import type { Vm } from "../../core/vm.ts";
import { VmDefinition } from "../../core/vm.ts";
import { Fleet } from "../../rig/fleet.ts";
import { freeBasePort } from "../../rig/free-ports.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { FaultyProxy, proxyEnvironment } from "./proxy.ts";
import type { Switches, World } from "./world.ts";

const MIB = 2 ** 20;
/** Of the guest. */
export const MEMORY_BYTES = 32 * MIB;
const PATIENCE_MS = 120_000;
/** By the machine's clock. */
const START_MS = 60_000;
const TRY_AGAIN_MS = 100;

/**
 * An installation to break: the local cloud on fixed ports, two agents that reach it through a
 * proxy, and one guest that counts. A part that was killed is started again, as by a supervisor.
 */
export class Bed {
  readonly fleet: Fleet;
  readonly proxy: FaultyProxy;
  readonly switches: Switches;
  vm: string;
  /** How far the clock of the workflows is ahead. */
  leapMs = 0;
  #guests = 1;

  private constructor(fleet: Fleet, proxy: FaultyProxy, switches: Switches) {
    this.fleet = fleet;
    this.proxy = proxy;
    this.switches = switches;
    this.vm = "vm-1";
  }

  /** `qemu`: the binary of both hosts; `http`: see FleetOptions. */
  static async start(world: World, qemu: string, { http = false } = {}): Promise<Bed> {
    const watched = world.watched(qemu);
    const { folder, switches } = world.place();
    const port = await freeBasePort();
    const proxy = await FaultyProxy.start({ apiPort: port, sqsPort: port + 1 });
    try {
      const fleet = await Fleet.start({
        hosts: { "host-a": watched, "host-b": watched },
        port,
        http,
        agent: { apiUrl: proxy.url, progressIntervalMs: 500 },
        agentEnvironment: { AWS_ENDPOINT_URL_SQS: proxy.url },
        // One of each: a slot that is not released blocks the next run.
        host: { slotsIn: 1, slotsOut: 1 },
        environment: { LOG_LEVEL: "info", ...proxyEnvironment, ...switches.environment },
        folder,
        startMs: START_MS * world.rate,
      });
      const bed = new Bed(fleet, proxy, switches);
      await bed.#guest();
      return bed;
    } catch (error) {
      proxy.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.proxy.clear();
    await this.fleet.stop();
    this.proxy.close();
  }

  /** Source and target of the next move; after a loss, of a new guest. */
  async ends(): Promise<{ source: string; target: string }> {
    const { state, host } = await this.api<Vm>("GET", `/v1/vms/${this.vm}`);
    if (state === "failed") {
      await this.api("DELETE", `/v1/vms/${this.vm}`);
      await this.#guest();
      return { source: "host-a", target: "host-b" };
    }
    if (state !== "running") throw new Error(`The guest is ${state}`);
    return { source: host, target: host === "host-a" ? "host-b" : "host-a" };
  }

  /** Calls the public API, again while the coordinator does not answer. */
  async api<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const key = method === "POST" ? { "idempotency-key": `k-${Date.now()}-${Math.random()}` } : {};
    return waitUntil(
      `an answer to ${method} ${path}`,
      async () => {
        try {
          return await this.fleet.api.request<T>(method, path, body, key);
        } catch (error) {
          if (error instanceof ApiError && error.status < 500) throw error;
          return undefined;
        }
      },
      { timeoutMs: PATIENCE_MS, everyMs: TRY_AGAIN_MS },
    );
  }

  async killCoordinator(restartAfterMs: number): Promise<void> {
    const { cloud } = this.fleet;
    cloud.kill("SIGKILL");
    await cloud.exited;
    await sleep(restartAfterMs);
    await this.fleet.startCloud();
  }

  async killAgent(host: string, restartAfterMs: number): Promise<void> {
    const agent = this.fleet.agent(host);
    agent.kill("SIGKILL");
    await agent.exited;
    await sleep(restartAfterMs);
    this.fleet.startAgent(host);
  }

  async #guest(): Promise<void> {
    this.vm = `vm-${this.#guests}`;
    this.#guests += 1;
    const disk = join(this.fleet.folder, "boot.img");
    await writeBootDisk(disk, { dirtyBytesPerSecond: 4 * MIB, workingSetBytes: 4 * MIB });
    const definition = VmDefinition.parse({
      machine: "pc-i440fx-7.2",
      memoryBytes: MEMORY_BYTES,
      ...bootDiskDefinition(disk),
    });
    await this.fleet.startVm(this.vm, "host-a", definition);
    const path = this.fleet.serialLog("host-a", this.vm);
    await waitForCounter(path, ({ counter }) => counter > 60, { timeoutMs: PATIENCE_MS });
  }
}
