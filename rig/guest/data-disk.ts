import { open } from "node:fs/promises";
import { isWithin, outOfRange, SECTOR_BYTES } from "./boot-sector.ts";
import type { DataReading } from "./data-guest.ts";

export type DataDiskExpectation = {
  /** Sectors that the guest writes. */
  readonly dataSectors: number;
  /** The last line on the guest's console: what it reported as written must be on the disk. */
  readonly reported?: Pick<DataReading, "lap" | "writes">;
  /** How many times the guest has booted with this disk. Default: 1. A wake-up is no boot. */
  readonly boots?: number;
};

export type DataDiskCheck = {
  /** Generations found, 0 for a blank sector. */
  readonly oldestLap: number;
  readonly newestLap: number;
  /** Sectors that are wrong, at most `PROBLEMS_MAX`. Empty: the disk is sound. */
  readonly problems: readonly { readonly sector: number; readonly reason: string }[];
};

const PROBLEMS_MAX = 20;
const DATA_SECTORS_MAX = 2 ** 20;
/** A whole number of tracks, so that every BIOS takes the disk: see boot-disk.ts. */
const DISK_BYTES_MIN = 1024 * 1024;
const WORDS = SECTOR_BYTES / 4;

/**
 * Creates a blank (sparse) data disk.
 *
 * @throws {RangeError} when `dataSectors` is out of its range.
 */
export async function createDataDisk(path: string, dataSectors: number): Promise<void> {
  if (dataSectors === 0 || !isWithin(dataSectors, DATA_SECTORS_MAX)) {
    throw outOfRange("dataSectors", `an integer from 1 to ${DATA_SECTORS_MAX}`, dataSectors);
  }
  const file = await open(path, "w");
  try {
    await file.truncate(Math.max(DISK_BYTES_MIN, dataSectors * SECTOR_BYTES));
  } finally {
    await file.close();
  }
}

/**
 * Reads a data disk and checks it: every sector is whole and in its place, none is older than the
 * guest reported, and the generations are those of one writer that goes round in order. Call it when
 * the guest stands still: no QEMU is asked, and no lock is taken.
 */
export async function checkDataDisk(
  path: string,
  { dataSectors, reported, boots = 1 }: DataDiskExpectation,
): Promise<DataDiskCheck> {
  const disk = await readSectors(path, dataSectors);
  const laps = Array.from({ length: dataSectors }, (_, sector) =>
    disk.readUInt32LE(sector * 512 + 4),
  );
  const reasons = laps.map((lap, sector) => {
    const bytes = disk.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    const before = sector === 0 ? undefined : laps[sector - 1];
    return (
      brokenSector(bytes, sector, lap) ??
      misplacedLap(lap, before, floorOf(sector, reported, boots))
    );
  });
  const oldestLap = laps.reduce((least, lap) => Math.min(least, lap), Number.POSITIVE_INFINITY);
  const newestLap = laps.reduce((most, lap) => Math.max(most, lap), 0);
  const problems = reasons
    .flatMap((reason, sector) => (reason === undefined ? [] : [{ sector, reason }]))
    .slice(0, PROBLEMS_MAX);
  if (problems.length === 0 && newestLap - oldestLap > boots) {
    const reason = `the laps are ${oldestLap} to ${newestLap}, which is too far apart`;
    problems.push({ sector: dataSectors - 1, reason });
  }
  return { oldestLap, newestLap, problems };
}

/** The bytes that the guest writes to a sector in a lap: acting-guest.s, `expect`. */
export function dataSector(sector: number, lap: number): Buffer {
  const bytes = Buffer.alloc(SECTOR_BYTES);
  bytes.writeUInt32LE(sector, 0);
  bytes.writeUInt32LE(lap, 4);
  let value = lap ^ Math.imul(sector, 0x9e3779b1);
  let sum = sector + lap;
  for (let word = 2; word < WORDS - 1; word += 1) {
    value = (Math.imul(value, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE(value, word * 4);
    sum += value;
  }
  bytes.writeUInt32LE(sum % 2 ** 32, SECTOR_BYTES - 4);
  return bytes;
}

async function readSectors(path: string, count: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(count * SECTOR_BYTES);
    const { bytesRead } = await file.read({ buffer, position: 0 });
    if (bytesRead < buffer.length) {
      throw new Error(`Expected ${buffer.length} bytes in ${path}, got ${bytesRead}`);
    }
    return buffer;
  } finally {
    await file.close();
  }
}

function brokenSector(bytes: Buffer, sector: number, lap: number): string | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  if (bytes.equals(dataSector(sector, lap))) return undefined;
  const number = bytes.readUInt32LE(0);
  if (bytes.equals(dataSector(number, lap))) return `holds sector ${number} of lap ${lap}`;
  return "is not whole";
}

/**
 * The oldest lap that a sector may have after what the guest reported. A boot in the middle of a lap
 * leaves the rest of that lap unwritten.
 */
function floorOf(sector: number, reported: DataDiskExpectation["reported"], boots: number): number {
  if (!reported) return 0;
  return sector < reported.writes ? reported.lap : Math.max(0, reported.lap - boots);
}

function misplacedLap(lap: number, before: number | undefined, floor: number): string | undefined {
  if (lap < floor) return `has lap ${lap}, but the guest reported lap ${floor}`;
  if (before !== undefined && lap > before) return `has lap ${lap} after a sector of lap ${before}`;
  return undefined;
}
