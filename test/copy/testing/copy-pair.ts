import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MigrationId } from "../../../core/id.ts";
import type { Agreement } from "../../../core/negotiate/agreement.ts";
import { probedCopies } from "../../../core/negotiate/copies.ts";
import { negotiate } from "../../../core/negotiate/negotiate.ts";
import { MigrationPolicy } from "../../../core/negotiate/policy.ts";
import type { ResultOf } from "../../../core/protocol/command.ts";
import { VmDefinition } from "../../../core/vm.ts";
import { findQemu } from "../../../qmp/testing/real-qemu.ts";
import { bootDiskDefinition } from "../../../rig/guest/boot-disk.ts";
import { createDataDisk, type DataDiskCheck } from "../../../rig/guest/data-disk.ts";
import {
  type DataReading,
  dataDevice,
  parseDataLog,
  writeDataGuestDisk,
} from "../../../rig/guest/data-guest.ts";
import { waitForCounter } from "../../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../../rig/owned-folder.ts";
import { TestHost } from "../../agent/testing/host.ts";
import { checkImage, createImage, type Format } from "./check-image.ts";

/** QEMU is installed, and qemu-img, which makes and reads qcow2 images. */
export const canCopy =
  findQemu() !== undefined && spawnSync("qemu-img", ["--version"]).status === 0;

export const VM = "vm1";
const KEY = "5a".repeat(32);
/** For busy machines: the guest writes by port I/O, which TCG is slow at. */
const WAIT = { timeoutMs: 90_000 };
const MIB = 1 << 20;

/** The guest writes its disk round and round, and checks what it wrote a lap before. */
export const LOAD = {
  dataSectors: 4_000,
  sectorsPerTick: 8,
  dirtyBytesPerSecond: MIB,
  workingSetBytes: 4 * MIB,
};

export type Policy = Record<string, unknown>;

/**
 * Two hosts with a folder of images each, and a guest on the first with two disks in its folder: it
 * writes to `data`, and never to `spare`.
 */
export class CopyPair {
  readonly folder = ownedFolder();
  readonly format: Format;
  source: TestHost;
  target: TestHost;
  definition: VmDefinition | undefined;
  #moves = 0;

  constructor(format: Format, qemus: { source?: string; target?: string } = {}) {
    this.format = format;
    this.source = this.#host("source", qemus.source);
    this.target = this.#host("target", qemus.target);
  }

  #host(name: string, qemu: string | undefined): TestHost {
    const path = join(this.folder, name);
    mkdirSync(path);
    const resources = { disks: { type: "folder", path } };
    const wait = `while [ -e "${this.#hold}" ]; do sleep 0.05; done`;
    const hook = { command: ["/bin/sh", "-c", wait], timeoutMs: 30_000 };
    return new TestHost(name, {
      qemu: qemu ?? findQemu(),
      config: { resources, hooks: { preSwitchover: hook } },
    });
  }

  /** While it exists the guest that is stopped for the switchover waits. */
  get #hold(): string {
    return join(this.folder, "hold");
  }

  holdSwitchover(): void {
    writeFileSync(this.#hold, "");
  }

  letSwitchOver(): void {
    rmSync(this.#hold, { force: true });
  }

  /** The image on a host. */
  image(host: TestHost): string {
    return join(this.folder, host.id, "data.img");
  }

  images(host: TestHost): string[] {
    return readdirSync(join(this.folder, host.id)).sort();
  }

  async startGuest(): Promise<void> {
    const boot = join(this.folder, "boot.img");
    await writeDataGuestDisk(boot, LOAD);
    const image = this.image(this.source);
    await createImage(image, this.format, LOAD.dataSectors);
    const { blockdevs, devices } = bootDiskDefinition(boot);
    await createDataDisk(join(this.folder, this.source.id, "spare.img"), 1);
    const disk = (name: string, driver: string) => {
      const filename = { $host: "disks", type: "folder", file: `${name}.img` };
      return { driver, "node-name": name, file: { driver: "file", filename, locking: "on" } };
    };
    const spare = { driver: "virtio-blk-pci", id: "spare-disk", drive: "spare" };
    const definition = VmDefinition.parse({
      machine: "pc-i440fx-7.2",
      memoryBytes: 64 * MIB,
      blockdevs: [...blockdevs, disk("data", this.format), disk("spare", "raw")],
      devices: [...devices, dataDevice(), spare],
    });
    const started = await this.source.run("guest.start", VM, { definition });
    this.definition = started.definition;
    await this.hasWritten(this.source, 40);
  }

  serial(host: TestHost): string {
    return join(host.config.runDir, VM, "serial.log");
  }

  /** What the guest has said last on a host. */
  last(host: TestHost): DataReading {
    const reading = parseDataLog(readFileSync(this.serial(host), "utf8")).at(-1);
    if (reading === undefined) throw new Error("The guest has said nothing");
    return reading;
  }

  /** The guest writes on, and has found nothing wrong. */
  async hasWritten(host: TestHost, ticks = 30): Promise<void> {
    const first = await waitForCounter(this.serial(host), () => true, WAIT);
    await waitForCounter(this.serial(host), ({ counter }) => counter > first.counter + ticks, WAIT);
    const { errors, diskErrors } = this.last(host);
    if (errors + diskErrors > 0) throw new Error(`errors ${errors}, disk errors ${diskErrors}`);
  }

  policy(rest: Policy = {}): MigrationPolicy {
    return MigrationPolicy.parse({ tls: "psk", storage: { data: "copy", spare: "copy" }, ...rest });
  }

  async negotiate(rest: Policy = {}): Promise<ReturnType<typeof negotiate>> {
    const definition = this.#defined();
    const policy = this.policy(rest);
    const asked = probedCopies(policy);
    const epoch = this.#moves + 1;
    const [source, target] = await Promise.all([
      this.source.run("source.probe", VM, asked, { epoch }),
      this.target.run("target.probe", VM, { definition, ...asked }, { epoch }),
    ]);
    return negotiate({ source, target, definition, policy });
  }

  #defined(): VmDefinition {
    if (this.definition === undefined) throw new Error("The guest has not been started");
    return this.definition;
  }

  async agree(rest: Policy = {}): Promise<Agreement> {
    const result = await this.negotiate(rest);
    if (result.agreed) return result.agreement;
    throw new Error(JSON.stringify(result.blockers));
  }

  async prepare(agreement: Agreement): Promise<ResultOf<"target.prepare">> {
    this.#moves += 1;
    return await this.target.run(
      "target.prepare",
      VM,
      {
        definition: { ...this.#defined(), machine: agreement.machineType },
        settings: agreement.target,
        handoverKey: KEY,
        ...secured(agreement),
      },
      this.identity,
    );
  }

  /** Of the newest migration. */
  get identity() {
    const id = `mig_01ARZ3NDEKTSV4RRFFQ69G5F${String(this.#moves).padStart(2, "0")}`;
    return { migrationId: MigrationId.parse(id), epoch: this.#moves };
  }

  async start(
    agreement: Agreement,
    { migrationUri, handover }: ResultOf<"target.prepare">,
    rest: { gate?: object; silenceMs?: number } = {},
  ): Promise<void> {
    await this.source.run(
      "source.start",
      VM,
      {
        settings: agreement.source,
        migrationUri,
        handover,
        handoverKey: KEY,
        ackExpected: agreement.ackMode !== "none",
        precopyDeadlineMs: 120_000,
        ...secured(agreement),
        ...rest,
      },
      this.identity,
    );
  }

  /** The whole way: negotiated, prepared, started. */
  async begin(rest: Policy = {}, start: { gate?: object; silenceMs?: number } = {}): Promise<void> {
    const agreement = await this.agree(rest);
    await this.start(agreement, await this.prepare(agreement), start);
  }

  async hasMoved(): Promise<void> {
    await this.target.waitFor("migration.target-arrived", 60_000).catch((cause: unknown) => {
      const failed = this.source.events.find(({ body }) => body.type === "migration.failed");
      throw new Error(`Expected an arrival, got ${JSON.stringify(failed?.body)}`, { cause });
    });
    await this.source.waitFor("migration.source-completed");
    await this.hasWritten(this.target);
  }

  /** Ends the guest on this host, and checks every sector of its image. */
  async check(host: TestHost): Promise<DataDiskCheck> {
    const guest = host.guests.get(host.vm(VM));
    await guest.qmp.execute("stop");
    const reported = this.last(host);
    await host.guests.end(guest);
    return await this.checkImage(host, reported);
  }

  /** @param reported what the guest has said: the image holds at least that */
  async checkImage(
    host: TestHost,
    reported?: Pick<DataReading, "lap" | "writes">,
  ): Promise<DataDiskCheck> {
    const { dataSectors } = LOAD;
    const expected = { dataSectors, ...(reported === undefined ? {} : { reported }) };
    return await checkImage(this.image(host), this.format, expected);
  }

  async close(): Promise<void> {
    await Promise.all([this.source.close(), this.target.close()]);
    removeFolder(this.folder);
  }
}

function secured({ tls, copies }: Agreement) {
  return { ...(tls === undefined ? {} : { tls }), ...(copies === undefined ? {} : { copies }) };
}
