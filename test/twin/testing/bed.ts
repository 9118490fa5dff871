import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DefinitionParts } from "../../../core/definition/parts.ts";
import { MigrationId, ulid } from "../../../core/id.ts";
import type { TwinCheck } from "../../../core/twin/comparison.ts";
import type { QmpClient } from "../../../qmp/client.ts";
import { bootDiskDefinition, writeBootDisk } from "../../../rig/guest/boot-disk.ts";
import { ownedFolder, removeFolder } from "../../../rig/owned-folder.ts";
import { waitUntil } from "../../../rig/wait-until.ts";
import { TestHost } from "../../agent/testing/host.ts";

const VM = "vm1";
const MIB = 2 ** 20;
const HANDOVER_KEY = "ab".repeat(32);
const LOAD = { dirtyBytesPerSecond: MIB, workingSetBytes: 4 * MIB };
const DISK_MIB = 8;
const DISKS = ["disk-1", "disk-2", "disk-3", "iso-1", "iso-2"] as const;

/** What one side's QEMU is started from. */
export type Machine = Partial<DefinitionParts> & {
  /** Arguments of QEMU that a definition does not know. */
  readonly extra?: readonly string[];
};

/** The files that machines name. */
export type Files = (name: (typeof DISKS)[number] | "boot" | "overlay") => string;

/** What an operator does at the source, over a monitor of their own. */
export type Action = (qmp: QmpClient, files: Files) => Promise<unknown>;

export type Trial = {
  readonly source: Machine;
  readonly target?: Machine;
  readonly act?: Action;
};

export type Outcome = {
  readonly check: TwinCheck;
  /** The error of `source.start`; undefined: the guest has moved. */
  readonly refusal: string | undefined;
  /** Of the source's QEMU afterwards. */
  readonly migrationStatus: string;
  readonly runState: string;
};

type Binaries = { readonly source: string; readonly target: string };

/**
 * Two hosts with agents and no cloud, on which one pair of machines after the other is prepared and
 * compared as in every migration. Machines that are the same move.
 */
export class TwinBed {
  readonly #folder = ownedFolder("sy-twin-");
  readonly #source: TestHost;
  readonly #target: TestHost;

  constructor({ source, target }: Binaries) {
    this.#source = new TestHost("source", { qemu: this.#wrapper("source", source) });
    this.#target = new TestHost("target", { qemu: this.#wrapper("target", target) });
  }

  readonly files: Files = (name) => join(this.#folder, name);

  /** @throws Error when an agent fails other than by the twin check. */
  async run({ source, target = source, act }: Trial): Promise<Outcome> {
    await this.#writeDisks();
    const definition = await this.#begin("source", source);
    try {
      const started = await this.#source.run("guest.start", VM, { definition });
      return await this.#move(started.definition, target, act);
    } finally {
      await this.#end();
    }
  }

  /** As `run`, with a source's QEMU that was started by hand and is adopted. */
  async runAdopted(argv: readonly string[], trial: Trial & { target: Machine }): Promise<Outcome> {
    await this.#writeDisks();
    const socket = join(this.#folder, "adopted.sock");
    const monitor = ["-qmp", `unix:${socket},server=on,wait=off`];
    writeFileSync(join(this.#folder, "source.args"), [...argv, ...monitor].join("\n"));
    const child = spawn(join(this.#folder, "source"), ["-nodefaults", "-display", "none"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    try {
      await waitUntil("the monitor", () => (existsSync(socket) ? true : undefined));
      const definition = await this.#begin("source", trial.source, false);
      const adopted = await this.#source.run("guest.adopt", VM, { definition, qmpPath: socket });
      return await this.#move(adopted.definition, trial.target, trial.act);
    } finally {
      child.kill("SIGKILL");
      await this.#end();
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#source.close(), this.#target.close()]);
    removeFolder(this.#folder);
  }

  async #move(known: DefinitionParts, target: Machine, act: Action | undefined): Promise<Outcome> {
    const { qmp } = this.#source.guests.get(this.#source.vm(VM));
    await firmwareHasRun(qmp);
    await act?.(qmp, this.files);
    const machine = target.machine ?? known.machine;
    const definition = await this.#begin("target", { ...target, machine });
    const id = ulid(Date.now(), randomBytes(10));
    const of = { migrationId: MigrationId.parse(`mig_${id}`) };
    const settings = { capabilities: { events: true, "return-path": true }, parameters: {} };
    const secret = { handoverKey: HANDOVER_KEY };
    const prepareArgs = { definition, settings, ...secret };
    const prepared = await this.#target.run("target.prepare", VM, prepareArgs, of);
    const { migrationUri, handover } = prepared;
    const start = { ...secret, migrationUri, handover, ackExpected: false, settings };
    const args = { ...start, precopyDeadlineMs: 60_000 };
    const refusal = await this.#source.run("source.start", VM, args, of).then(
      () => undefined,
      (error: Error) => error.message,
    );
    const check = (await this.#source.waitFor("migration.compared", 1_000)).body;
    if (refusal === undefined) await this.#target.waitFor("migration.target-arrived", 30_000);
    const { status = "none" } = await qmp.execute("query-migrate");
    const { status: runState } = await qmp.execute("query-status");
    return { check, refusal, migrationStatus: status, runState };
  }

  async #begin(side: "source" | "target", { extra, ...parts }: Machine, writes = true) {
    const args = join(this.#folder, `${side}.args`);
    if (writes) writeFileSync(args, (extra ?? []).join("\n"));
    const disk = bootDiskDefinition(this.files("boot"));
    // As an agent takes it: networks and monitors of the test are no part of it.
    return DefinitionParts.parse({
      machine: "pc",
      memoryBytes: 64 * MIB,
      ...parts,
      blockdevs: [...disk.blockdevs, ...(parts.blockdevs ?? [])],
      devices: [...disk.devices, ...(parts.devices ?? [])],
    });
  }

  async #end(): Promise<void> {
    for (const host of [this.#source, this.#target]) {
      const guest = host.guests.find(host.vm(VM));
      if (guest) await host.guests.end(guest).catch(() => host.guests.detach(guest));
      host.guests.setMigrating(host.vm(VM), undefined);
      host.events.splice(0);
    }
    rmSync(join(this.#folder, "source.args"), { force: true });
  }

  async #writeDisks(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    await writeBootDisk(this.files("boot"), LOAD);
    for (const name of DISKS) writeFileSync(this.files(name), Buffer.alloc(DISK_MIB * MIB));
    rmSync(this.files("overlay"), { force: true });
  }

  /** A wrapper of this QEMU that adds the arguments in a file, one a line, to a guest's. */
  #wrapper(side: string, qemu: string): string {
    const path = join(this.#folder, side);
    const script = `#!/bin/sh
case "$*" in
*"-machine none"*) ;;
*) while IFS= read -r word || [ -n "$word" ]; do set -- "$@" "$word"; done < '${path}.args' ;;
esac
exec '${qemu}' "$@"
`;
    writeFileSync(path, script);
    chmodSync(path, 0o755);
    return path;
  }
}

/** The firmware has given PCI devices their addresses: from then on the machine is not a fresh one. */
async function firmwareHasRun(qmp: QmpClient): Promise<void> {
  await waitUntil("the firmware to set up PCI", async () => {
    const buses = (await qmp.executeAny("query-pci")) as PciBus[];
    const regions = buses.flatMap(({ devices }) => devices.flatMap((one) => one.regions ?? []));
    return regions.length === 0 || regions.some(({ address }) => Number(address) > 0)
      ? true
      : undefined;
  });
}

type PciBus = { devices: { regions?: { address: unknown }[] }[] };
