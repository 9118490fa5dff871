import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Command } from "commander";
import { VmDefinition } from "../core/vm.ts";
import { Fleet } from "../rig/fleet.ts";
import { freeBasePort } from "../rig/free-ports.ts";
import { bootDiskDefinition, writeBootDisk } from "../rig/guest/boot-disk.ts";
import { waitForCounter } from "../rig/guest/serial.ts";
import { chooseQemu } from "../rig/qemu.ts";
import { wholeNumber } from "../rig/whole-number.ts";
import { round, spread } from "./statistics.ts";

const MIB = 2 ** 20;
const VM = "copied";
const IMAGE = "data.img";
const LOAD = { dirtyBytesPerSecond: 0, workingSetBytes: 4 * MIB };
const run = promisify(execFile);

const program = new Command("bench:copy")
  .description("A disk copied with its guest beside `qemu-img convert` over NBD, alternating")
  .option("--json", "print one JSON object as the last line")
  .option("--runs <number>", "copies of each kind", wholeNumber(1, 100), 3)
  .option(
    "--size-mib <number>",
    "size of the disk, MiB, full of data",
    wholeNumber(16, 65_536),
    512,
  )
  .option("--qemu <path>", "QEMU of both ends")
  .parse();
const options = program.opts<{ json?: true; runs: number; sizeMib: number; qemu?: string }>();

const qemu = chooseQemu(options.qemu);
const fleet = await Fleet.start({
  hosts: { "host-a": qemu.path, "host-b": qemu.path },
  imagesFolder: "disks",
});
try {
  await start();
  const copies: number[] = [];
  const converts: number[] = [];
  const downtimes: number[] = [];
  let [from, to] = ["host-a", "host-b"];
  for (let count = 1; count <= options.runs; count += 1) {
    converts.push(await convert(imageOf(from)));
    const { seconds, downtimeMs } = await move(to);
    copies.push(seconds);
    downtimes.push(downtimeMs);
    rmSync(imageOf(from));
    [from, to] = [to, from];
    if (!options.json) console.error(`run ${count} of ${options.runs}`);
  }
  const rates = (seconds: number[]) => seconds.map((each) => options.sizeMib / each);
  const copy = spread(rates(copies));
  const convertRates = spread(rates(converts));
  const result = {
    setup: {
      qemu: qemu.version,
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      disk: `${options.sizeMib} MiB raw, random data, loopback, TLS with a pre-shared key`,
    },
    copyMibPerSecond: copy,
    convertMibPerSecond: convertRates,
    ratio: round(copy.median / convertRates.median),
    downtimeMs: spread(downtimes),
  };
  console.log(JSON.stringify(result, null, options.json ? undefined : 2));
} finally {
  await fleet.stop();
}

function imageOf(host: string): string {
  return join(fleet.folder, `${host}-images`, IMAGE);
}

/** A guest that counts, with a disk that it does not touch. */
async function start(): Promise<void> {
  await fill(imageOf("host-a"));
  const boot = join(fleet.folder, "boot.img");
  await writeBootDisk(boot, LOAD);
  const { blockdevs, devices } = bootDiskDefinition(boot);
  const filename = { $host: "disks", type: "folder", file: IMAGE };
  const data = { driver: "raw", "node-name": "data", file: { driver: "file", filename } };
  const definition = VmDefinition.parse({
    memoryBytes: 64 * MIB,
    blockdevs: [...blockdevs, data],
    devices: [...devices, { driver: "virtio-blk-pci", id: "disk0", drive: "data" }],
  });
  await fleet.startVm(VM, "host-a", definition);
  await waitForCounter(fleet.serialLog("host-a", VM), ({ counter }) => counter > 20, {
    timeoutMs: 60_000,
  });
}

async function fill(path: string): Promise<void> {
  const file = await open(path, "wx");
  const chunk = randomBytes(16 * MIB);
  try {
    for (let left = options.sizeMib; left > 0; left -= 16) {
      await file.write(chunk, 0, Math.min(16, left) * MIB);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** From `migrate` to STOP, as the record has it: memory and disk. */
async function move(target: string): Promise<{ seconds: number; downtimeMs: number }> {
  const policy = { tls: "psk", storage: { data: "copy" } } as const;
  const { id } = await fleet.api.createMigration({ vm: VM, target, policy });
  const migration = await fleet.waitForMigration(id, { timeoutMs: 600_000 });
  const { status, failure, figures, startedAtMs, stoppedAtMs } = migration;
  if (status !== "completed") throw new Error(`${id} ${status}: ${failure?.message}`);
  const ms = (stoppedAtMs ?? 0) - (startedAtMs ?? 0);
  return { seconds: ms / 1000, downtimeMs: figures?.downtimeMs ?? 0 };
}

/** The same image to an empty one behind qemu-nbd, with the same kind of TLS. Seconds. */
async function convert(image: string): Promise<number> {
  const keys = join(fleet.folder, "keys");
  const target = join(fleet.folder, "converted.img");
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  writeFileSync(join(keys, "keys.psk"), `bench:${randomBytes(32).toString("hex")}\n`, {
    mode: 0o600,
  });
  await run("qemu-img", ["create", "-q", "-f", "raw", target, `${options.sizeMib}M`]);
  const port = String(await freeBasePort());
  const tls = (endpoint: string) =>
    `tls-creds-psk,id=tls,endpoint=${endpoint},dir=${keys}${endpoint === "client" ? ",username=bench" : ""}`;
  const pidFile = join(fleet.folder, "qemu-nbd.pid");
  const server = ["--object", tls("server"), "--tls-creds", "tls", "--fork", "--pid-file", pidFile];
  await run("qemu-nbd", [...server, "-b", "127.0.0.1", "-p", port, "-f", "raw", target]);
  const startedMs = performance.now();
  const nbd = `driver=nbd,server.type=inet,server.host=127.0.0.1,server.port=${port},tls-creds=tls`;
  const to = ["--object", tls("client"), "--target-image-opts", image, nbd];
  try {
    // The guest has the image open, and does not write to it.
    await run("qemu-img", ["convert", "-n", "-U", "-f", "raw", ...to]);
    return (performance.now() - startedMs) / 1000;
  } finally {
    // It ends by itself when its client has gone.
    endServer(pidFile);
    rmSync(target);
  }
}

function endServer(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, "utf8")));
  } catch {
    // It has gone, and its file with it.
  }
}
