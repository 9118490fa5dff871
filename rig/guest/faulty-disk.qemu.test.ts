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
import { qemuBinaries } from "./testing/qemu-binaries.ts";

const PATIENCE = { timeoutMs: 20_000 };
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

const versions = qemuBinaries.map(({ version, binary }) => [version, binary] as const);
const skipped = versions.length === 0;

describe.skipIf(skipped).each(versions)("a faulty disk and QEMU %s", (_, binary) => {
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
      await target.qmp.executeAny("stop");
      const reported = parseDataLog(await readFile(target.serialPath, "latin1")).at(-1);
      expect(reported).toMatchObject({ errors: 0, diskErrors: 0 });
      if (reported === undefined) return;
      const expectation = { dataSectors: LOAD.dataSectors, reported };
      expect(await checkDataDisk(imagePath, expectation)).toMatchObject({ problems: [] });
    },
  );

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
