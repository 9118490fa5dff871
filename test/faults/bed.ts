import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../client/api-error.ts";
import type { Vm } from "../../core/vm.ts";
import { VmDefinition } from "../../core/vm.ts";
import { Fleet } from "../../rig/fleet.ts";
import { freeBasePort } from "../../rig/free-ports.ts";
import { PANIC_DEVICE } from "../../rig/guest/acting-guest.ts";
import { createDataDisk } from "../../rig/guest/data-disk.ts";
import { dataGuestDefinition, writeDataGuestDisk } from "../../rig/guest/data-guest.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { MODEL_QEMU } from "../../rig/qemu.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { CONTROL_SOCKET, GuestControl } from "./guest-control.ts";
import { FaultyProxy, proxyEnvironment } from "./proxy.ts";
import type { Switches, World } from "./world.ts";

const MIB = 2 ** 20;
/** The resource of each host that is a folder of its own. */
const IMAGES = "disks";
/** The disk that may be copied, by its `node-name`. */
export const COPIED = "data";
/** Of the guest. */
export const MEMORY_BYTES = 32 * MIB;
const PATIENCE_MS = 120_000;
/** By the machine's clock. */
const START_MS = 60_000;
/** The target's agent keeps the handover link for 60 s after the guest has arrived. */
const LINK_MS = 75_000;
const TRY_AGAIN_MS = 100;
/** 1 MiB of data disk, written through in some two seconds. */
export const DATA_SECTORS = 2_048;
const SECTORS_PER_TICK = 10;

/**
 * An installation to break: the local cloud on fixed ports, two agents that reach it through a
 * proxy, and one guest that counts. A part that was killed is started again, as by a supervisor.
 */
export class Bed {
  readonly fleet: Fleet;
  readonly proxy: FaultyProxy;
  readonly switches: Switches;
  vm: string;
  /** What the guest's operator and its disk do. */
  guest: GuestControl;
  /** How often the guest has booted. */
  boots = 1;
  /** How far the clock of the workflows is ahead. */
  leapMs = 0;
  #guests = 1;
  /** Ports of the handover links, and when each was in use last. */
  readonly #links = new Map<number, number>();

  readonly isModel: boolean;
  /** The guest's disk lies on its host, and goes with it. */
  readonly isCopied: boolean;

  private constructor(
    fleet: Fleet,
    {
      proxy,
      switches,
      isModel,
      isCopied,
    }: Pick<Bed, "proxy" | "switches" | "isModel" | "isCopied">,
  ) {
    this.fleet = fleet;
    this.proxy = proxy;
    this.switches = switches;
    this.isModel = isModel;
    this.isCopied = isCopied;
    this.vm = "vm-1";
    this.guest = this.#control(this.vm);
  }

  /** `qemu`: the binary of both hosts; `http`: see FleetOptions; `isCopied`: see Bed. */
  static async start(
    world: World,
    qemu: string,
    { http = false, isCopied = false } = {},
  ): Promise<Bed> {
    const isModel = qemu === MODEL_QEMU;
    const model = { QEMU_MODEL: JSON.stringify({ control: CONTROL_SOCKET }) };
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
        ...(isCopied ? { imagesFolder: IMAGES } : {}),
        // One of each: a slot that is not released blocks the next run.
        host: { slotsIn: 1, slotsOut: 1 },
        environment: {
          LOG_LEVEL: "info",
          ...proxyEnvironment,
          ...switches.environment,
          ...(isModel ? model : {}),
        },
        folder,
        startMs: START_MS * world.rate,
      });
      const bed = new Bed(fleet, { proxy, switches, isModel, isCopied });
      await bed.#newGuest();
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

  /** Source and target of the next move; of a new guest if this one cannot run any more. */
  async ends(): Promise<{ source: string; target: string }> {
    const read = () => this.api<Vm>("GET", `/v1/vms/${this.vm}`);
    const { state, host } = await read();
    if (state === "paused" || state === "io-error") {
      await this.api("POST", `/v1/vms/${this.vm}/resume`);
      await waitUntil(
        `${this.vm} to run again`,
        async () => ((await read()).state === "running" ? true : undefined),
        { timeoutMs: PATIENCE_MS, everyMs: TRY_AGAIN_MS },
      );
    } else if (state !== "running") {
      await this.#remove();
      await this.#newGuest();
      return { source: "host-a", target: "host-b" };
    }
    return { source: host, target: host === "host-a" ? "host-b" : "host-a" };
  }

  /** Ends the guest, and removes its record. */
  async #remove(): Promise<void> {
    await waitUntil(
      `the end of ${this.vm}`,
      async () => {
        try {
          await this.api("DELETE", `/v1/vms/${this.vm}?mode=quit`);
          return undefined;
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          return error.status === 404 ? true : undefined;
        }
      },
      { timeoutMs: PATIENCE_MS, everyMs: TRY_AGAIN_MS },
    );
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

  /** The control plane's clock was wrong for a while: hosts may have registered in its future. */
  hasClockJumped = false;

  /** Notes that a target listens on this port, or did until now. */
  noteLink(port: number): void {
    this.#links.set(port, performance.now());
  }

  /** Whether a target's agent may still have this port open. */
  mayBeLink(port: number): boolean {
    return performance.now() - (this.#links.get(port) ?? Number.NEGATIVE_INFINITY) < LINK_MS;
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

  #control(vm: string): GuestControl {
    const { fleet, isModel, isCopied } = this;
    const folder = (host: string) => join(fleet.folder, isCopied ? `${host}-images` : "");
    return new GuestControl({
      fleet,
      isModel,
      vm,
      dataPath: (host) => join(folder(host), `${vm}-data.img`),
    });
  }

  /** What a crash of a host has left of a copy, as its operator would. */
  removeImage(host: string): void {
    if (this.isCopied) rmSync(this.guest.dataPath(host), { force: true });
  }

  async #newGuest(): Promise<void> {
    const { fleet } = this;
    const vm = `vm-${this.#guests}`;
    this.vm = vm;
    this.#guests += 1;
    this.boots = 1;
    const bootPath = join(fleet.folder, "boot.img");
    this.guest = this.#control(vm);
    const dataPath = this.guest.dataPath("host-a");
    const load = { dirtyBytesPerSecond: 4 * MIB, workingSetBytes: 4 * MIB };
    const disk = { dataSectors: DATA_SECTORS, sectorsPerTick: SECTORS_PER_TICK };
    await writeDataGuestDisk(bootPath, { ...load, ...disk });
    await createDataDisk(dataPath, DATA_SECTORS);
    // Both hosts are this machine: they share its page cache.
    const disks = dataGuestDefinition(bootPath, dataPath, { direct: false });
    const definition = VmDefinition.parse({
      machine: "pc-i440fx-7.2",
      memoryBytes: MEMORY_BYTES,
      blockdevs: disks.blockdevs.map((disk) => (this.isCopied ? onHost(disk) : disk)),
      devices: [...disks.devices, PANIC_DEVICE],
    });
    await fleet.startVm(vm, "host-a", definition);
    const path = fleet.serialLog("host-a", vm);
    await waitForCounter(path, ({ counter }) => counter > 60, { timeoutMs: PATIENCE_MS });
  }
}

/** The same disk, by its place in the folder that each host has for itself; of the boot disk nothing changes. */
function onHost(disk: Record<string, unknown>): Record<string, unknown> {
  const { filename, "node-name": node } = disk;
  if (node !== COPIED) return disk;
  const place = { $host: IMAGES, type: "folder", file: basename(String(filename)) };
  const file = { driver: "file", filename: place, locking: "on" };
  return { driver: "raw", "node-name": node, file };
}
