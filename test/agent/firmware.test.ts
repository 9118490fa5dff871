import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import type { TestHost } from "./testing/host.ts";
import { Pair, VM } from "./testing/pair.ts";

const MIB = 2 ** 20;
const WAIT_MS = 60_000;
const qemu = findQemu();
vi.setConfig({ testTimeout: WAIT_MS });

/** Debian's package `ovmf`, or a folder that the environment names. */
const OVMF = process.env.SWITCHYARD_OVMF ?? "/usr/share/OVMF";
const hasOvmf = existsSync(join(OVMF, "OVMF_CODE_4M.fd"));
const hasSwtpm = spawnSync("swtpm", ["--version"]).status === 0;

const titles = {
  uefi: hasOvmf ? "" : " (skipped: no OVMF)",
  tpm: hasSwtpm ? "" : " (skipped: no swtpm)",
};

let pair: Pair;
const emulators: ChildProcess[] = [];
beforeEach(() => {
  pair = new Pair({ qemu });
});
afterEach(async () => {
  await pair.close();
  for (const emulator of emulators.splice(0)) emulator.kill("SIGKILL");
});

describe.skipIf(qemu === undefined || !hasOvmf)(`a guest with UEFI${titles.uefi}`, () => {
  it("moves with its firmware and its NVRAM", async () => {
    const nvram = join(pair.folder, "vars.fd");
    copyFileSync(join(OVMF, "OVMF_VARS_4M.fd"), nvram);
    const definition = VmDefinition.parse({
      machine: "q35",
      memoryBytes: 128 * MIB,
      firmware: { code: "code", nvram: "nvram" },
      blockdevs: [raw("code", join(OVMF, "OVMF_CODE_4M.fd"), true), raw("nvram", nvram, false)],
      devices: [{ driver: "isa-debugcon", iobase: 0x402, chardev: "firmware" }],
      chardevs: [{ id: "firmware", backend: "file", path: { $guest: "firmware.log" } }],
    });
    await startAndMove(definition, async (host) => {
      const log = join(host.config.runDir, VM, "serial.log");
      await writes("the firmware on the serial port", log, /BdsDxe|UEFI/);
    });
    const { qmp } = pair.target.guests.get(pair.target.vm(VM));
    const flash = { path: "/machine", property: "pflash1" };
    expect(await qmp.execute("qom-get", flash)).toBe("nvram");
    expect(await qmp.execute("query-status")).toMatchObject({ status: "running" });
  });
});

describe.skipIf(qemu === undefined || !hasSwtpm)(`a guest with a TPM${titles.tpm}`, () => {
  it("moves with the TPM's state, from each host's swtpm to the other's", async () => {
    const disk = join(pair.folder, "boot.img");
    await writeBootDisk(disk, { dirtyBytesPerSecond: MIB, workingSetBytes: 4 * MIB });
    for (const host of [pair.source, pair.target]) await startSwtpm(host);
    const boot = bootDiskDefinition(disk);
    const definition = VmDefinition.parse({
      memoryBytes: 64 * MIB,
      chardevs: [{ id: "swtpm", backend: "socket", path: { $host: "tpm" } }],
      tpm: { id: "tpm0", chardev: "swtpm" },
      ...boot,
      devices: [...boot.devices, { driver: "tpm-crb", id: "tpm", tpmdev: "tpm0" }],
    });
    await startAndMove(definition, (host) => pair.hasRun(host));
    await pair.hasMoved();
    const { qmp } = pair.target.guests.get(pair.target.vm(VM));
    expect(await qmp.execute("qom-list", { path: "/machine/peripheral/tpm" })).toBeDefined();
    // TPM 2.0's permanent state: the target's swtpm got it in the stream.
    const state = join(pair.folder, "tpm-target", "tpm2-00.permall");
    expect(readFileSync(state).length).toBeGreaterThan(1_000);
  });
});

function raw(node: string, filename: string, readOnly: boolean) {
  const file = { driver: "file", filename, "read-only": readOnly };
  return { driver: "raw", "node-name": node, "read-only": readOnly, file };
}

async function startAndMove(
  definition: VmDefinition,
  hasRun: (host: TestHost) => Promise<void>,
): Promise<void> {
  const started = await pair.source.run("guest.start", VM, { definition });
  pair.definition = started.definition;
  await hasRun(pair.source);
  await pair.start();
  await pair.target.waitFor("migration.target-arrived");
  await pair.source.waitFor("migration.source-completed");
}

async function writes(what: string, path: string, text: RegExp): Promise<void> {
  const read = () => (existsSync(path) && text.test(readFileSync(path, "utf8")) ? true : undefined);
  await waitUntil(what, read, { timeoutMs: WAIT_MS });
}

/** Each host has a swtpm of its own, with a folder of its own. */
async function startSwtpm(host: TestHost): Promise<void> {
  const socket = join(pair.folder, `${host.id}.sock`);
  const state = join(pair.folder, `tpm-${host.id}`);
  mkdirSync(state);
  const options = ["--tpm2", "--tpmstate", `dir=${state}`, "--ctrl", `type=unixio,path=${socket}`];
  emulators.push(spawn("swtpm", ["socket", ...options], { stdio: "ignore" }));
  host.config.resources.tpm = socket;
  await waitUntil("the socket of swtpm", () => (existsSync(socket) ? true : undefined), {
    timeoutMs: WAIT_MS,
  });
}
