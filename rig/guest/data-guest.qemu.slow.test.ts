import { spawnSync } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkDataDisk, createDataDisk } from "./data-disk.ts";
import { dataDiskDefinition, parseDataLog, writeDataGuestDisk } from "./data-guest.ts";
import { waitForCounter } from "./serial.ts";
import { moveGuest } from "./testing/bare-qmp.ts";
import { type GuestQemu, qemuArguments, startGuestQemu } from "./testing/guest-qemu.ts";
import { eachQemu, hasQemu, qemuBinaries } from "./testing/qemu-binaries.ts";

/** On a busy machine. */
const WAIT_MS = 60_000;
const MIB = 1024 * 1024;
const PATIENCE = { timeoutMs: 60_000 };
/** A lap over the disk takes 25 ticks, one over the memory 50. */
const LOAD = {
  dataSectors: 100,
  sectorsPerTick: 4,
  dirtyBytesPerSecond: 16 * MIB,
  workingSetBytes: 8 * MIB,
};
const TICKS_PER_LAP = 25;
/** Known to every QEMU from 7.2 to 11.1. */
const MACHINE = "pc-i440fx-7.2";

const started: GuestQemu[] = [];
let directory = "";
let bootPath = "";
let dataPath = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "switchyard-guest-"));
  bootPath = join(directory, "boot.img");
  dataPath = join(directory, "data.img");
  await writeDataGuestDisk(bootPath, LOAD);
  await createDataDisk(dataPath, LOAD.dataSectors);
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((qemu) => qemu.stop()));
  await rm(directory, { recursive: true });
});

const [installed] = qemuBinaries;

describe.skipIf(!hasQemu).each(eachQemu)("the data guest and QEMU %s", (_, binary) => {
  it.each([true, false])(
    "moves there and back without a lost or stale sector (cache.direct %s)",
    async (direct) => {
      const hosts = [installed?.binary ?? "", binary, installed?.binary ?? ""];
      let current: GuestQemu | undefined;
      for (const [index, host] of hosts.entries()) {
        const next = await start(host, `vm${index}`, { direct, incoming: index > 0 });
        if (current) {
          await moveGuest(current, next, directory);
          await next.qmp.executeAny("cont");
          await current.stop();
        }
        current = next;
        await runLaps(current, 3);
      }
      const reported = await haltAndRead(current);
      expect(reported).toMatchObject({ errors: 0, diskErrors: 0 });
      expect(reported?.lap).toBeGreaterThan(9);
      const check = await checkDataDisk(dataPath, { dataSectors: LOAD.dataSectors, reported });
      expect(check).toMatchObject({ problems: [] });
      expect(check.newestLap).toBeGreaterThanOrEqual(reported?.lap ?? Number.NaN);
    },
    240_000,
  );

  it("is refused to a second writer by QEMU's image lock", async () => {
    await start(binary, "first", {});
    const args = ["-nodefaults", "-display", "none", "-machine", MACHINE, ...dataDiskArgs(false)];
    const second = spawnSync(binary, args, { encoding: "utf8", timeout: 20_000 });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain('Failed to get "write" lock');
  });

  it("goes on with the next lap after a reset", async () => {
    const qemu = await start(binary, "vm", {});
    await runLaps(qemu, 2);
    await qemu.qmp.executeAny("system_reset");
    await vi.waitFor(async () => {
      const [, , secondRun = ""] = (await readFile(qemu.serialPath, "latin1")).split("guest ready");
      expect(parseDataLog(secondRun).length).toBeGreaterThan(8);
    }, WAIT_MS);
    const reported = await haltAndRead(qemu);
    expect(reported).toMatchObject({ errors: 0 });
    expect(reported?.lap).toBeGreaterThan(3);
    const expectation = { dataSectors: LOAD.dataSectors, reported, boots: 2 };
    expect(await checkDataDisk(dataPath, expectation)).toMatchObject({ problems: [] });
  });
});

describe.skipIf(!installed)("the data guest's own checks", () => {
  it("count an error for each sector that was changed behind its back", async () => {
    const qemu = await start(installed?.binary ?? "", "vm", {});
    await runLaps(qemu, 2);
    const file = await open(dataPath, "r+");
    await file.write(Buffer.alloc(2 * 512, 7), 0, 2 * 512, 3 * 512);
    await file.close();
    await runLaps(qemu, 3);
    expect(await haltAndRead(qemu)).toMatchObject({ errors: 2, diskErrors: 2 });
  });
});

async function start(
  binary: string,
  name: string,
  { direct = false, incoming = false }: { direct?: boolean; incoming?: boolean },
): Promise<GuestQemu> {
  const qemu = await startGuestQemu({
    binary,
    directory,
    name,
    diskPath: bootPath,
    machine: MACHINE,
    args: [...dataDiskArgs(direct), ...(incoming ? ["-S", "-incoming", "defer"] : [])],
  });
  started.push(qemu);
  return qemu;
}

function dataDiskArgs(direct: boolean): string[] {
  return qemuArguments(dataDiskDefinition(dataPath, { direct }));
}

/** Waits until the guest has printed that it went round the disk `laps` times more. */
async function runLaps({ serialPath }: GuestQemu, laps: number): Promise<void> {
  const first = await waitForCounter(serialPath, () => true, PATIENCE);
  const isLater = ({ counter }: { counter: number }) =>
    counter >= first.counter + laps * TICKS_PER_LAP;
  await waitForCounter(serialPath, isLater, PATIENCE);
}

/** Stops the guest, ends its QEMU, and reads its last line. */
async function haltAndRead(qemu: GuestQemu | undefined) {
  if (qemu === undefined) throw new Error("Expected a guest");
  await qemu.qmp.executeAny("stop");
  const last = parseDataLog(await readFile(qemu.serialPath, "latin1")).at(-1);
  await qemu.stop();
  if (last === undefined) throw new Error("Expected a line of the data guest");
  return last;
}
