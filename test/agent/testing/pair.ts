import { join } from "node:path";
import { MigrationId } from "../../../core/id.ts";
import type { ResultOf } from "../../../core/protocol/command.ts";
import type { ParameterValue, TlsKind } from "../../../core/protocol/probe.ts";
import { VmDefinition } from "../../../core/vm.ts";
import { bootDiskDefinition, writeBootDisk } from "../../../rig/guest/boot-disk.ts";
import type { GuestLoad } from "../../../rig/guest/boot-sector.ts";
import { waitForCounter } from "../../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../../rig/owned-folder.ts";
import { TestHost } from "./host.ts";
import { loadModels } from "./subjects.ts";

export const VM = "vm1";
export const migrationId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
export const handoverKey = "ab".repeat(32);

const LOAD = { dirtyBytesPerSecond: 1 << 20, workingSetBytes: 4 << 20 };
const ON = ["events", "return-path", "switchover-ack"];
/** Bytes per second: 64 MiB then take longer than any test. */
export const SLOW = 1 << 20;

type Network = { devices?: object[]; netdevs?: object[] };
type Parameters = Record<string, ParameterValue>;

/** Two hosts, and a guest on the first that counts and checks its memory. */
export class Pair {
  readonly folder = ownedFolder();
  source: TestHost;
  target: TestHost;
  definition: VmDefinition | undefined;

  /** `config`: added to both hosts' configurations. */
  constructor({ qemu }: { qemu: string | undefined }, config: object = {}) {
    this.source = new TestHost("source", { qemu, config });
    this.target = new TestHost("target", { qemu, config });
  }

  /** `more`: devices beside those of the boot disk, and their networks. */
  async startGuest(load: GuestLoad = LOAD, more: Network = {}): Promise<void> {
    const disk = join(this.folder, "boot.img");
    await writeBootDisk(disk, load);
    loadModels(load);
    // QEMU 7.2 to 11.1 have it, and an ACK comes with it even without a device that asks for one.
    const machine = "pc-i440fx-7.2";
    const memoryBytes = 64 << 20;
    const { devices, ...rest } = bootDiskDefinition(disk);
    const all = [...devices, ...(more.devices ?? [])];
    const { netdevs } = more;
    const parts = { ...rest, devices: all, ...(netdevs === undefined ? {} : { netdevs }) };
    const definition = VmDefinition.parse({ machine, memoryBytes, ...parts });
    const started = await this.source.run("guest.start", VM, { definition });
    this.definition = started.definition;
    await this.hasRun(this.source, 20);
  }

  /** The guest counts on this host, and has found no changed page. */
  async hasRun(host: TestHost, ticks = 10): Promise<void> {
    const path = join(host.config.runDir, VM, "serial.log");
    const first = await waitForCounter(path, () => true, { timeoutMs: 20_000 });
    const later = await waitForCounter(path, ({ counter }) => counter > first.counter + ticks, {
      timeoutMs: 20_000,
    });
    if (later.errors > 0) throw new Error(`The guest has lost ${later.errors} pages`);
  }

  prepare(
    id = migrationId,
    epoch = 1,
    options: { on?: string[]; parameters?: Parameters; tls?: TlsKind; key?: string } = {},
  ): Promise<ResultOf<"target.prepare">> {
    if (!this.definition) throw new Error("The guest has not been started");
    const { parameters = {}, tls } = options;
    const settings = { capabilities: on([...ON, ...(options.on ?? [])]), parameters };
    const secret = { handoverKey: options.key ?? handoverKey, ...(tls ? { tls } : {}) };
    const args = { definition: this.definition, settings, ...secret };
    return this.target.run("target.prepare", VM, args, { migrationId: id, epoch });
  }

  async start(
    options: {
      on?: string[];
      parameters?: Parameters;
      deadlineMs?: number;
      id?: MigrationId;
      epoch?: number;
      prepared?: ResultOf<"target.prepare">;
      tls?: TlsKind;
    } = {},
  ): Promise<ResultOf<"target.prepare">> {
    const { id = migrationId, epoch = 1, deadlineMs = 60_000, parameters = {}, tls } = options;
    const prepared = options.prepared ?? (await this.prepare(id, epoch));
    const { migrationUri, handover } = prepared;
    await this.source.run(
      "source.start",
      VM,
      {
        settings: { capabilities: on([...ON, ...(options.on ?? [])]), parameters },
        migrationUri,
        handover,
        handoverKey,
        ackExpected: true,
        precopyDeadlineMs: deadlineMs,
        ...(tls ? { tls } : {}),
      },
      { migrationId: id, epoch },
    );
    return prepared;
  }

  /** Full speed for a migration that was started slowly. */
  async speedUp(): Promise<void> {
    const { qmp } = this.source.guests.get(this.source.vm(VM));
    await qmp.execute("migrate-set-parameters", { "max-bandwidth": 2 ** 30 });
  }

  /** The next migration goes the other way. */
  swap(): void {
    [this.source, this.target] = [this.target, this.source];
    for (const host of [this.source, this.target]) host.events.splice(0);
  }

  /** The end of each good migration: both sides have emitted it, the guest runs on the target. */
  async hasMoved(): Promise<void> {
    await this.target.waitFor("migration.target-arrived");
    await this.source.waitFor("migration.source-completed");
    await this.hasRun(this.target);
  }

  async close(): Promise<void> {
    await Promise.all([this.source.close(), this.target.close()]);
    removeFolder(this.folder);
  }
}

function on(names: string[]): Record<string, boolean> {
  return Object.fromEntries(names.map((name) => [name, true]));
}
