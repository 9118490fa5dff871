import { join } from "node:path";
import type { Client } from "../../../client/client.ts";
import type { Migration, TimelineEntry } from "../../../core/migration/migration.ts";
import { isFinal } from "../../../core/migration/migration.ts";
import type { Command } from "../../../core/protocol/command.ts";
import type { EventBody } from "../../../core/protocol/event.ts";
import { VmDefinition } from "../../../core/vm.ts";
import type { VmState } from "../../../core/vm-state.ts";
import { QmpClient } from "../../../qmp/client.ts";
import { freeBasePort } from "../../../rig/free-ports.ts";
import {
  type GuestAction,
  PANIC_DEVICE,
  writeActingDisk,
} from "../../../rig/guest/acting-guest.ts";
import { bootDiskDefinition } from "../../../rig/guest/boot-disk.ts";
import { createDataDisk } from "../../../rig/guest/data-disk.ts";
import { dataGuestDefinition, writeDataGuestDisk } from "../../../rig/guest/data-guest.ts";
import { forceAction } from "../../../rig/guest/force-action.ts";
import { readCounter, waitForCounter } from "../../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../../rig/owned-folder.ts";
import { killProcessesUnder } from "../../../rig/processes.ts";
import { MODEL_QEMU } from "../../../rig/qemu.ts";
import { waitUntil } from "../../../rig/wait-until.ts";
import { WATCH_SOCKET, writeWatchedQemu } from "../../../rig/watched-qemu.ts";
import { PATIENCE_MS, qemu, Stage, type StageOptions } from "../../e2e/testing/stage.ts";
import { FaultyProxy, proxyEnvironment } from "../../faults/proxy.ts";

const MIB = 2 ** 20;
export const MEMORY_BYTES = 32 * MIB;
/**
 * The load of all guests of these tests. QEMU sends some 1.3 MB/s at any lower limit: so much memory
 * keeps a migration in precopy for ten seconds, also when the guest stands still.
 */
export const load = { dirtyBytesPerSecond: 16 * MIB, workingSetBytes: 16 * MIB };
/** Of guests that are moved, or not, whatever they do. */
export const idle = { dirtyBytesPerSecond: 0, workingSetBytes: 4 * MIB };
/** By then a guest has booted, and counts. */
export const BOOTED_TICKS = 10;
/** By then a guest has written to its whole working set, so that the first pass takes its time. */
const WHOLE_TICKS = 110;
/** Some four seconds of precopy, then a switchover without a wait: see `slowly`. */
export const briefly = {
  parameters: { "max-bandwidth": 3 * MIB },
  downtimeLimitMs: 20_000,
  switchoverBandwidthBytesPerSecond: 1_000_000,
};
export const gated = { switchover: { mode: "gated" } } as const;
const DIFFERENCE_TICKS = 20;

export type CaseStageOptions = StageOptions & {
  /** On the model of QEMU, where the case does not concern QEMU itself. */
  onModel?: boolean;
  /** The QEMU of a target starts this much later. */
  targetDelaySeconds?: number;
};

type VmRecord = Awaited<ReturnType<Client["getVm"]>>;

/** What a test does to the messages between the agents and the cloud. */
export type Interference = {
  onCommand?: (command: Command) => Promise<Command | undefined>;
  onEvent?: (body: EventBody, host: string) => Promise<void>;
};

/**
 * A fleet for the cases in which the guest, an operator or a stranger does something by itself. Each
 * guest has a second monitor, which the agents do not know of.
 */
export class CaseStage {
  readonly stage: Stage;
  readonly #proxy: FaultyProxy;
  readonly #folder: string;
  #guests = 0;

  private constructor(stage: Stage, proxy: FaultyProxy, folder: string) {
    this.stage = stage;
    this.#proxy = proxy;
    this.#folder = folder;
  }

  static async start(options: CaseStageOptions = {}): Promise<CaseStage> {
    const { onModel = false, targetDelaySeconds = 0, ...rest } = options;
    const binary = onModel ? MODEL_QEMU : (qemu ?? "qemu-system-x86_64");
    const folder = ownedFolder();
    const watched = join(folder, "qemu");
    writeWatchedQemu(watched, binary, { targetDelaySeconds });
    const port = await freeBasePort();
    const proxy = await FaultyProxy.start({ apiPort: port, sqsPort: port + 1 });
    try {
      const stage = await Stage.start({
        hosts: { "host-a": watched, "host-b": watched },
        folder: join(folder, "f"),
        // A move that does not end keeps its slot: the others must not wait for it.
        host: { slotsIn: 16, slotsOut: 16 },
        ...rest,
        environment: { ...proxyEnvironment, ...rest.environment },
        port,
        agent: { apiUrl: proxy.url, ...rest.agent },
        agentEnvironment: { AWS_ENDPOINT_URL_SQS: proxy.url, ...rest.agentEnvironment },
      });
      return new CaseStage(stage, proxy, folder);
    } catch (error) {
      proxy.close();
      removeFolder(folder);
      throw error;
    }
  }

  get api() {
    return this.stage.api;
  }

  get fleet() {
    return this.stage.fleet;
  }

  async close(): Promise<void> {
    this.#proxy.clear();
    await this.stage.close();
    this.#proxy.close();
    removeFolder(this.#folder);
  }

  /** Until the next call, or `close`. */
  interfere({ onCommand, onEvent }: Interference): void {
    this.#proxy.hooks = {
      onCommand: async (command) => (await onCommand?.(command)) ?? command,
      onEvent: async (body, host) => onEvent?.(body, host),
    };
  }

  /** A name that no VM of this stage has had. */
  nextVm(): string {
    this.#guests += 1;
    return `vm-${this.#guests}`;
  }

  /** Starts a guest that writes to a data disk, node `data`, and checks it. @returns the disk's image */
  async startDataGuest(vm: string, dataSectors: number): Promise<string> {
    const dataPath = join(this.fleet.folder, `${vm}-data.img`);
    const bootPath = join(this.fleet.folder, `${vm}-boot.img`);
    await createDataDisk(dataPath, dataSectors);
    await writeDataGuestDisk(bootPath, { ...load, dataSectors, sectorsPerTick: 1 });
    const definition = dataGuestDefinition(bootPath, dataPath, { direct: false });
    await this.define(vm, definition as never);
    return dataPath;
  }

  /** Starts a guest that counts, and that can panic. */
  async start(vm: string, parts: Partial<VmDefinition> = {}): Promise<void> {
    const path = join(this.fleet.folder, `${vm}.img`);
    await writeActingDisk(path, { ...load, action: "none", afterTicks: 0 });
    const { blockdevs, devices } = bootDiskDefinition(path);
    await this.define(vm, { blockdevs, devices: [...devices, PANIC_DEVICE], ...parts });
  }

  /** The guest on this host takes this action now. */
  async act(host: string, vm: string, action: Exclude<GuestAction, "none">): Promise<void> {
    await this.operate(host, vm, (qmp) => forceAction(qmp, action));
  }

  /**
   * Starts a guest on host-a from the parts of a definition, and waits until it has counted so far.
   * Default: until its memory is in use.
   */
  async define(vm: string, parts: Partial<VmDefinition>, ticks = WHOLE_TICKS): Promise<void> {
    const definition = VmDefinition.parse({ machine: "pc", memoryBytes: MEMORY_BYTES, ...parts });
    await this.fleet.startVm(vm, "host-a", definition);
    const path = this.fleet.serialLog("host-a", vm);
    await waitForCounter(path, ({ counter }) => counter > ticks, { timeoutMs: PATIENCE_MS });
  }

  async begin(vm: string, policy: object, target = "host-b"): Promise<string> {
    return (await this.api.createMigration({ vm, target, policy })).id;
  }

  /** What an operator, or a tool of theirs, does over a monitor of its own. */
  async operate<T>(host: string, vm: string, work: (qmp: QmpClient) => Promise<T>): Promise<T> {
    const path = join(this.fleet.guestFolder(host, vm), WATCH_SOCKET);
    const qmp = await QmpClient.connect({ path });
    try {
      return await work(qmp);
    } finally {
      await qmp.close();
    }
  }

  /** The run state of the guest, by QEMU's own answer. */
  async runState(host: string, vm: string): Promise<string> {
    return this.operate(host, vm, async (qmp) => (await qmp.execute("query-status")).status);
  }

  /** Waits until the record of the VM is in this state, and returns it. */
  async becomes(vm: string, state: VmState): Promise<VmRecord> {
    let last = "";
    try {
      return await waitUntil(
        `${vm} to be ${state}`,
        async () => {
          const found = await this.api.getVm(vm);
          const { definition: _, ...rest } = found;
          last = JSON.stringify(rest);
          return found.state === state && found.lockedBy === undefined ? found : undefined;
        },
        { timeoutMs: 20_000 },
      );
    } catch (cause) {
      throw new Error(`Expected ${vm} to be ${state}, but it is ${last}`, { cause });
    }
  }

  async timeline(id: string): Promise<TimelineEntry[]> {
    return (await this.api.getTimeline(id)).items;
  }

  /** Waits until the timeline of a running migration has `count` entries of this type. */
  async emits(id: string, type: EventBody["type"], count = 1): Promise<TimelineEntry[]> {
    return waitUntil(
      `${count} times ${type} in ${id}`,
      async () => {
        const found = (await this.timeline(id)).filter((entry) => entry.type === type);
        if (found.length >= count) return found;
        const { status, failure } = await this.api.getMigration(id);
        if (!isFinal(status)) return undefined;
        throw new Error(`${id} ended without ${type}: ${status} ${JSON.stringify(failure)}`);
      },
      { timeoutMs: 30_000 },
    );
  }

  ends(id: string, timeoutMs = 60_000): Promise<Migration> {
    return this.fleet.waitForMigration(id, { timeoutMs });
  }

  async counter(host: string, vm: string): Promise<number> {
    return (await readCounter(this.fleet.serialLog(host, vm)))?.counter ?? 0;
  }

  /** Waits until the guest on this host has counted on, for no longer than this. */
  async countsWithin(host: string, vm: string, timeoutMs: number): Promise<void> {
    const goal = (await this.counter(host, vm)) + DIFFERENCE_TICKS;
    const path = this.fleet.serialLog(host, vm);
    await waitForCounter(path, ({ counter }) => counter > goal, { timeoutMs });
  }

  /** Ends the guest and removes its record, whatever has become of it. */
  async remove(vm: string): Promise<void> {
    this.interfere({});
    await this.api.deleteVm(vm, { mode: "quit" }).catch(() => undefined);
    for (const host of ["host-a", "host-b"]) killProcessesUnder(this.fleet.guestFolder(host, vm));
  }
}
