import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isQmpEvent } from "../../qmp/events.ts";
import { checkDataDisk, createDataDisk } from "./data-disk.ts";
import {
  dataDiskDefinition,
  parseDataLog,
  withInjectedErrors,
  writeDataGuestDisk,
} from "./data-guest.ts";
import { FaultyDisk, type FaultyRequest } from "./faulty-disk.ts";
import { waitForCounter } from "./serial.ts";
import { expectStatus, moveGuest } from "./testing/bare-qmp.ts";
import { type GuestQemu, qemuArguments, startGuestQemu } from "./testing/guest-qemu.ts";
import { eachQemu, hasQemu } from "./testing/qemu-binaries.ts";
import { liftWriteLimit, limitWrites } from "./write-limit.ts";

const hasPrlimit = spawnSync("prlimit", ["--version"]).status === 0;

const PATIENCE = { timeoutMs: 60_000 };
const LOAD = {
  dataSectors: 100,
  sectorsPerTick: 4,
  dirtyBytesPerSecond: 0,
  workingSetBytes: 0,
};

const started: GuestQemu[] = [];
let directory = "";
let bootPath = "";
let imagePath = "";
let disk: FaultyDisk | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "switchyard-guest-"));
  bootPath = join(directory, "boot.img");
  imagePath = join(directory, "data.img");
  await writeDataGuestDisk(bootPath, LOAD);
  await createDataDisk(imagePath, LOAD.dataSectors);
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((qemu) => qemu.stop()));
  await disk?.close();
  disk = undefined;
  await rm(directory, { recursive: true });
});

describe.skipIf(!hasQemu).each(eachQemu)("a faulty disk and QEMU %s", (_, binary) => {
  it.each<FaultyRequest>(["read", "write"])(
    "stops the guest at a %s error, also across a move, until it is mended",
    async (kind) => {
      disk = await FaultyDisk.serve({ imagePath, socketPath: join(directory, "nbd") });
      const source = await start(binary, "source", disk.definition());
      await waitForCounter(source.serialPath, ({ counter }) => counter >= 50, PATIENCE);
      const failure = source.qmp.waitFor((event) => event.name === "BLOCK_IO_ERROR", PATIENCE);
      disk.fail(kind);
      expect((await failure).data).toMatchObject({
        operation: kind,
        action: "stop",
        "node-name": "data",
        reason: "Input/output error",
      });
      await expectStatus(source, "io-error");
      expect(disk.failures).toBeGreaterThan(0);

      const incoming = ["-S", "-incoming", "defer"];
      const target = await start(binary, "target", disk.definition(), incoming);
      await moveGuest(source, target, directory);
      await expectStatus(target, "io-error");
      await target.qmp.executeAny("cont");
      await expectStatus(target, "io-error");
      disk.mend();
      await target.qmp.executeAny("cont");
      await waitForCounter(target.serialPath, ({ counter }) => counter >= 150, PATIENCE);
      await expectSoundDisk(target);
    },
  );

  it.skipIf(!hasPrlimit)("stops at a write limit until it is lifted (needs prlimit)", async () => {
    const qemu = await start(binary, "vm", dataDiskDefinition(imagePath, { direct: false }));
    await waitForCounter(qemu.serialPath, ({ counter }) => counter >= 50, PATIENCE);
    const failure = qemu.qmp.waitFor((event) => event.name === "BLOCK_IO_ERROR", PATIENCE);
    await limitWrites(qemu.pid, (LOAD.dataSectors * 512) / 2);
    const reason = "File too large";
    expect((await failure).data).toMatchObject({ operation: "write", action: "stop", reason });
    await expectStatus(qemu, "io-error");
    await liftWriteLimit(qemu.pid);
    await qemu.qmp.executeAny("cont");
    await waitForCounter(qemu.serialPath, ({ counter }) => counter >= 150, PATIENCE);
    await expectSoundDisk(qemu);
  });

  it("injects errors by definition, with blkdebug", async () => {
    const definition = withInjectedErrors(
      dataDiskDefinition(imagePath, { direct: false }),
      "write",
    );
    const qemu = await start(binary, "vm", definition, ["-S"]);
    const failure = qemu.qmp.waitFor((event) => isQmpEvent(event, "BLOCK_IO_ERROR"), PATIENCE);
    await qemu.qmp.executeAny("cont");
    expect((await failure).data).toMatchObject({ operation: "write", action: "stop" });
    await expectStatus(qemu, "io-error");
  });
});

async function start(
  binary: string,
  name: string,
  definition: Parameters<typeof qemuArguments>[0],
  more: readonly string[] = [],
): Promise<GuestQemu> {
  const args = [...qemuArguments(definition), ...more];
  const qemu = await startGuestQemu({ binary, directory, name, diskPath: bootPath, args });
  started.push(qemu);
  return qemu;
}

/** Stops the guest: no error on its console, and every write it reported on the disk. */
async function expectSoundDisk({ qmp, serialPath }: GuestQemu): Promise<void> {
  await qmp.executeAny("stop");
  const reported = parseDataLog(await readFile(serialPath, "latin1")).at(-1);
  if (reported === undefined) throw new Error("Expected a line of the data guest");
  expect(reported).toMatchObject({ errors: 0, diskErrors: 0 });
  const check = await checkDataDisk(imagePath, { dataSectors: LOAD.dataSectors, reported });
  expect(check.problems).toEqual([]);
}
