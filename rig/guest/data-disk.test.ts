import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkDataDisk, createDataDisk, dataSector } from "./data-disk.ts";

let directory = "";
let path = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "switchyard-disk-"));
  path = join(directory, "data.img");
});
afterEach(() => rm(directory, { recursive: true }));

describe("checkDataDisk", () => {
  it("finds a blank disk sound", async () => {
    await createDataDisk(path, 4);
    expect((await stat(path)).size).toBe(1024 * 1024);
    const sound = { oldestLap: 0, newestLap: 0, problems: [] };
    expect(await checkDataDisk(path, { dataSectors: 4 })).toEqual(sound);
  });

  it("finds a disk sound that holds all that the guest reported, and more", async () => {
    await writeLaps([3, 3, 2, 2]);
    const reported = { lap: 3, writes: 1 };
    const sound = { oldestLap: 2, newestLap: 3, problems: [] };
    expect(await checkDataDisk(path, { dataSectors: 4, reported })).toEqual(sound);
  });

  it("names a reported write that is not on the disk", async () => {
    await writeLaps([3, 2, 2, 2]);
    expect(await problems({ lap: 3, writes: 2 })).toEqual([
      { sector: 1, reason: "has lap 2, but the guest reported lap 3" },
    ]);
  });

  it("names a sector that missed a whole lap", async () => {
    await writeLaps([3, 3, 1, 3]);
    expect(await problems({ lap: 4, writes: 0 })).toEqual([
      { sector: 2, reason: "has lap 1, but the guest reported lap 3" },
      { sector: 3, reason: "has lap 3 after a sector of lap 1" },
    ]);
  });

  it("names a torn sector and one in the wrong place", async () => {
    const torn = dataSector(0, 2);
    torn.fill(7, 300, 304);
    await writeFile(path, Buffer.concat([torn, dataSector(3, 2)]));
    expect((await checkDataDisk(path, { dataSectors: 2 })).problems).toEqual([
      { sector: 0, reason: "is not whole" },
      { sector: 1, reason: "holds sector 3 of lap 2" },
    ]);
  });

  it("takes laps further apart only after more than one boot", async () => {
    await writeLaps([3, 2, 1, 1]);
    const apart = { sector: 3, reason: "the laps are 1 to 3, which is too far apart" };
    expect(await problems(undefined)).toEqual([apart]);
    expect((await checkDataDisk(path, { dataSectors: 4, boots: 2 })).problems).toEqual([]);
  });

  it("takes what a boot in the middle of a lap has left, and nothing older", async () => {
    await writeLaps([3, 3, 1, 1]);
    const reported = { lap: 3, writes: 2 };
    const check = (boots: number) => checkDataDisk(path, { dataSectors: 4, reported, boots });
    expect((await check(2)).problems).toEqual([]);
    expect((await check(1)).problems).toHaveLength(2);
  });

  it("rejects a file that is too short", async () => {
    await writeFile(path, "short");
    const attempt = checkDataDisk(path, { dataSectors: 1 });
    await expect(attempt).rejects.toThrow(`Expected 512 bytes in ${path}, got 5`);
  });
});

describe("createDataDisk", () => {
  it.each([0, 2 ** 20 + 1, 1.5])("refuses %s sectors", async (dataSectors) => {
    await expect(createDataDisk(path, dataSectors)).rejects.toThrow(RangeError);
  });
});

async function writeLaps(laps: readonly number[]): Promise<void> {
  await writeFile(path, Buffer.concat(laps.map((lap, sector) => dataSector(sector, lap))));
}

async function problems(reported: { lap: number; writes: number } | undefined) {
  const expectation = reported ? { dataSectors: 4, reported } : { dataSectors: 4 };
  return (await checkDataDisk(path, expectation)).problems;
}
