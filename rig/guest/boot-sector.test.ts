import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeBootDisk } from "./boot-disk.ts";
import { bootSector, type GuestLoad } from "./boot-sector.ts";
import { machineCode } from "./machine-code.ts";
import { assemble, hasAssembler } from "./testing/assembler.ts";

const MIB = 1024 * 1024;
const IDLE: GuestLoad = { dirtyBytesPerSecond: 0, workingSetBytes: 0 };
const BUSY: GuestLoad = { dirtyBytesPerSecond: 10 * MIB + 1, workingSetBytes: 60 * MIB };
const LIMIT: GuestLoad = { dirtyBytesPerSecond: 1024 * MIB, workingSetBytes: 2044 * MIB };

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "switchyard-guest-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("bootSector", () => {
  it.each([IDLE, BUSY, LIMIT])("is one bootable sector for %j", (load) => {
    const sector = bootSector(load);
    expect(sector).toHaveLength(512);
    expect([...sector.subarray(510)]).toEqual([0x55, 0xaa]);
  });

  it("carries the rate, the pages and the end of the working set", () => {
    const view = new DataView(bootSector(BUSY).buffer);
    expect(view.getUint32(498, true)).toBe(10 * MIB + 1);
    expect(view.getUint32(502, true)).toBe(60 * 256);
    expect(view.getUint32(506, true)).toBe(62 * MIB);
  });

  it("differs in its parameters alone", () => {
    expect(bootSector(BUSY).subarray(0, 498)).toEqual(bootSector(IDLE).subarray(0, 498));
  });

  it("leaves room between code and parameters", () => {
    expect(machineCode().length).toBeLessThanOrEqual(498);
  });

  it.each<[string, GuestLoad]>([
    ["a negative rate", { ...BUSY, dirtyBytesPerSecond: -1 }],
    ["a rate above 1 GiB/s", { ...BUSY, dirtyBytesPerSecond: 1024 * MIB + 1 }],
    ["a rate that is no integer", { ...BUSY, dirtyBytesPerSecond: 0.5 }],
    ["a rate that is no number", { ...BUSY, dirtyBytesPerSecond: Number.NaN }],
    ["a working set of broken pages", { ...BUSY, workingSetBytes: MIB + 1 }],
    ["a working set beyond low memory", { ...BUSY, workingSetBytes: 2048 * MIB }],
    ["a rate without a working set", { ...BUSY, workingSetBytes: 0 }],
  ])("refuses %s", (_, load) => {
    expect(() => bootSector(load)).toThrow(RangeError);
  });

  it.skipIf(!hasAssembler).for([IDLE, BUSY, LIMIT])(
    "is what boot-sector.s assembles to for %j (needs GNU as for x86, objcopy)",
    async (load) => {
      const symbols = { RATE: load.dirtyBytesPerSecond, PAGES: load.workingSetBytes / 4096 };
      const assembled = await assemble("boot-sector.s", directory, symbols);
      expect(Buffer.from(bootSector(load))).toEqual(assembled);
    },
  );
});

describe("writeBootDisk", () => {
  it("writes the sector to a disk of at least one cylinder, as SeaBIOS needs it", async () => {
    const path = join(directory, "boot.img");
    await writeBootDisk(path, BUSY);
    expect((await readFile(path)).subarray(0, 512)).toEqual(Buffer.from(bootSector(BUSY)));
    expect((await stat(path)).size).toBeGreaterThanOrEqual(16 * 63 * 512);
  });
});
