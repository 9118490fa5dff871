import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type ActingGuestLoad,
  actingGuest,
  type DiskLoad,
  writeActingDisk,
} from "./acting-guest.ts";
import { assemble, hasAssembler } from "./testing/assembler.ts";

const MIB = 1024 * 1024;
const LOAD: ActingGuestLoad = {
  action: "sleep",
  afterTicks: 70_000,
  dirtyBytesPerSecond: MIB + 1,
  workingSetBytes: 8 * MIB,
};
const DISK: DiskLoad = { dataSectors: 70_001, sectorsPerTick: 3 };
const PARAMETERS = 480;
const PARAMETERS_END = 506;

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "switchyard-guest-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("actingGuest", () => {
  it("is whole sectors, the first of them bootable", () => {
    const image = actingGuest(LOAD);
    expect(image.length % 512).toBe(0);
    expect([...image.subarray(510, 512)]).toEqual([0x55, 0xaa]);
  });

  it("carries its parameters", () => {
    const view = new DataView(actingGuest(LOAD, DISK).buffer);
    const dwords = [480, 484, 488, 492, 500].map((offset) => view.getUint32(offset, true));
    expect(dwords).toEqual([MIB + 1, 8 * 256, 10 * MIB, 70_000, 70_001]);
    const words = [496, 498, 504].map((offset) => view.getUint16(offset, true));
    expect(words).toEqual([0x604, 0x2400, 3]);
  });

  it.each([
    ["power-off", 0x604, 0x2000],
    ["panic", 0x505, 1],
    ["reset", 0xcf9, 6],
  ] as const)("writes to the port of %s", (action, port, value) => {
    const view = new DataView(actingGuest({ ...LOAD, action }).buffer);
    expect([view.getUint16(496, true), view.getUint16(498, true)]).toEqual([port, value]);
  });

  it("never acts with the action none, whatever the tick", () => {
    const view = new DataView(actingGuest({ ...LOAD, action: "none" }).buffer);
    expect(view.getUint32(492, true)).toBe(0);
  });

  it.each<[string, Partial<ActingGuestLoad & DiskLoad>, string]>([
    [
      "an unknown action",
      { action: "fly" as "none" },
      "Expected `action` to be one of none, sleep, power-off, panic, reset, got `fly`",
    ],
    [
      "an action at no tick",
      { afterTicks: 0 },
      "Expected `afterTicks` to be an integer from 1 to 4294967295, got `0`",
    ],
    [
      "a tick beyond the counter",
      { afterTicks: 2 ** 32 },
      "Expected `afterTicks` to be an integer from 1 to 4294967295, got `4294967296`",
    ],
    [
      "a working set of broken pages",
      { workingSetBytes: 1 },
      "Expected `workingSetBytes` to be a multiple of 4096 from 0 to 2143289344, got `1`",
    ],
    [
      "a data disk without sectors",
      { dataSectors: 0 },
      "Expected `dataSectors` to be an integer from 1 to 1048576, got `0`",
    ],
    [
      "too many sectors per tick",
      { sectorsPerTick: 65 },
      "Expected `sectorsPerTick` to be an integer from 0 to 64, got `65`",
    ],
  ])("refuses %s", (_, wrong, message) => {
    const attempt = () => actingGuest({ ...LOAD, ...wrong }, { ...DISK, ...wrong });
    expect(attempt).toThrow(new RangeError(message));
  });

  it.skipIf(!hasAssembler)(
    "is what acting-guest.s assembles to (needs GNU as for x86, objcopy)",
    async () => {
      const image = Buffer.from(actingGuest(LOAD, DISK));
      const assembled = await assemble("acting-guest.s", directory);
      expect(image.subarray(0, PARAMETERS)).toEqual(assembled.subarray(0, PARAMETERS));
      expect(image.subarray(PARAMETERS_END)).toEqual(assembled.subarray(PARAMETERS_END));
    },
  );
});

describe("writeActingDisk", () => {
  it("writes the image to the start of a disk", async () => {
    const path = join(directory, "boot.img");
    await writeActingDisk(path, LOAD, DISK);
    const image = actingGuest(LOAD, DISK);
    expect((await readFile(path)).subarray(0, image.length)).toEqual(Buffer.from(image));
  });
});
