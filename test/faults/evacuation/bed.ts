import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../../client/api-error.ts";
import type { Client } from "../../../client/client.ts";
import { VmDefinition } from "../../../core/vm.ts";
import type { DemoFleet } from "../../../demo/demo-fleet.ts";
import type { Fleet } from "../../../rig/fleet.ts";
import { freeBasePort } from "../../../rig/free-ports.ts";
import { bootDiskDefinition, writeBootDisk } from "../../../rig/guest/boot-disk.ts";
import { modelQemu } from "../../../rig/qemu.ts";
import { waitUntil } from "../../../rig/wait-until.ts";
import { HOSTS } from "./acts.ts";

const MIB = 2 ** 20;
export const MEMORY_BYTES = 32 * MIB;
export const GUESTS = ["vm-1", "vm-2", "vm-3", "vm-4"] as const;
/** Of each host and direction. */
export const SLOTS = 2;
/** Of one migration: a guest takes about a second. */
const RATE_BYTES_PER_SECOND = 32 * MIB;
/** All parts start on a machine that may be busy. */
const START_MS = 120_000;
const PATIENCE_MS = 120_000;
const TRY_AGAIN_MS = 100;

/** An installation to break: a local cloud on a fixed port, three agents, four model guests. */
export class EvacuationBed {
  readonly fleet: Fleet;

  private constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  static async start(own: DemoFleet): Promise<EvacuationBed> {
    const { path } = modelQemu();
    const fleet = await own.start({
      hosts: Object.fromEntries(HOSTS.map((host) => [host, path])),
      port: await freeBasePort(),
      host: { slotsOut: SLOTS, slotsIn: SLOTS },
      agent: { progressIntervalMs: 500 },
      startMs: START_MS,
    });
    const bed = new EvacuationBed(fleet);
    await bed.#startGuests();
    return bed;
  }

  async #startGuests(): Promise<void> {
    const link = SLOTS * RATE_BYTES_PER_SECOND;
    for (const host of HOSTS) {
      const rates = { linkOutBytesPerSecond: link, linkInBytesPerSecond: link };
      await this.fleet.api.changeHost(host, rates);
    }
    const disk = join(this.fleet.folder, "boot.img");
    await writeBootDisk(disk, { dirtyBytesPerSecond: MIB, workingSetBytes: 4 * MIB });
    const { facts } = await this.fleet.api.getHost(HOSTS[0]);
    const machine = facts?.qemu.machines.find(({ alias }) => alias === "pc")?.name ?? "pc";
    const memory = { machine, memoryBytes: MEMORY_BYTES };
    const definition = VmDefinition.parse({ ...memory, ...bootDiskDefinition(disk) });
    for (const vm of GUESTS) await this.fleet.startVm(vm, HOSTS[0], definition);
  }

  /** Calls the API, again while the coordinator does not answer. */
  ask<T>(call: (api: Client) => Promise<T>): Promise<T> {
    return waitUntil(
      "an answer of the coordinator",
      async () => {
        try {
          return await call(this.fleet.api);
        } catch (error) {
          if (error instanceof ApiError && error.status < 500) throw error;
          return undefined;
        }
      },
      { timeoutMs: PATIENCE_MS, everyMs: TRY_AGAIN_MS },
    );
  }

  /** Plans the evacuation of a host as the demo does. */
  plan(host: string) {
    const policy = { maxBandwidthBytesPerSecond: RATE_BYTES_PER_SECOND };
    const options = { streamBytesPerSecond: RATE_BYTES_PER_SECOND, finishMs: 1_500 };
    // Whatever happens, one version carries it to its end.
    const tolerance = { endShare: 10, newTargets: true };
    return this.ask((api) => api.createEvacuation({ hosts: [host], policy, options, tolerance }));
  }

  async killCoordinator(forMs: number): Promise<void> {
    const { cloud } = this.fleet;
    cloud.kill("SIGKILL");
    await cloud.exited;
    await sleep(forMs);
    await this.fleet.startCloud();
  }

  async killAgent(host: string, forMs: number): Promise<void> {
    const agent = this.fleet.agent(host);
    agent.kill("SIGKILL");
    await agent.exited;
    await sleep(forMs);
    this.fleet.startAgent(host);
  }
}
