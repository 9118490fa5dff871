import { machineCode } from "./machine-code.ts";

/** What the guest does beside counting. Both values are patched into the image. */
export type GuestLoad = {
  /**
   * Bytes of memory dirtied per second, 0 to 1 GiB, in whole pages of 4 KiB spread over 100 ticks
   * per second. 0 leaves the CPU idle. On a host too slow for the rate the guest dirties, and
   * counts, more slowly.
   */
  readonly dirtyBytesPerSecond: number;
  /**
   * Bytes of memory walked round, from 2 MiB up: a multiple of 4 KiB, at most the guest's RAM minus
   * 4 MiB (the BIOS keeps tables at the top of it). May be 0 when the rate is 0.
   */
  readonly workingSetBytes: number;
};

/** The unit of disks. */
export const SECTOR_BYTES = 512;
/** Where the working set starts, in bytes of guest-physical address. */
export const WORKING_SET_START_BYTES = 2 * 1024 * 1024;
/** The unit of dirtying, in bytes. */
export const GUEST_PAGE_BYTES = 4096;
/** The counter grows by one per tick. */
export const TICKS_PER_SECOND = 100;
/** The guest prints its counter once per this many ticks. */
export const TICKS_PER_LINE = 10;

const RATE_OFFSET_BYTES = 498;
const PAGES_OFFSET_BYTES = 502;
const END_OFFSET_BYTES = 506;
const DIRTY_BYTES_PER_SECOND_MAX = 1024 ** 3;
/** Below the PCI hole of every machine type: q35 may end low RAM at 2 GiB. */
const WORKING_SET_BYTES_MAX = 2 * 1024 ** 3 - 4 * 1024 ** 2;

/**
 * Makes the boot sector of the guest: 512 bytes that count, print the counter on COM1, dirty memory
 * at a set rate and check, before each write, that the page still holds what was written to it one
 * lap before.
 *
 * @throws {RangeError} when a value of `load` is out of its range.
 */
export function bootSector(load: GuestLoad): Uint8Array {
  assertGuestLoad(load);
  const sector = new Uint8Array(SECTOR_BYTES);
  sector.set(machineCode());
  const view = new DataView(sector.buffer);
  const littleEndian = true;
  view.setUint32(RATE_OFFSET_BYTES, load.dirtyBytesPerSecond, littleEndian);
  view.setUint32(PAGES_OFFSET_BYTES, load.workingSetBytes / GUEST_PAGE_BYTES, littleEndian);
  view.setUint32(END_OFFSET_BYTES, WORKING_SET_START_BYTES + load.workingSetBytes, littleEndian);
  sector.set([0x55, 0xaa], SECTOR_BYTES - 2);
  return sector;
}

/** @throws {RangeError} when a value of the load is out of its range. */
export function assertGuestLoad({ dirtyBytesPerSecond, workingSetBytes }: GuestLoad): void {
  if (!isWithin(dirtyBytesPerSecond, DIRTY_BYTES_PER_SECOND_MAX)) {
    const rule = `an integer from 0 to ${DIRTY_BYTES_PER_SECOND_MAX}`;
    throw outOfRange("dirtyBytesPerSecond", rule, dirtyBytesPerSecond);
  }
  const isWholePages = workingSetBytes % GUEST_PAGE_BYTES === 0;
  if (!isWithin(workingSetBytes, WORKING_SET_BYTES_MAX) || !isWholePages) {
    const rule = `a multiple of ${GUEST_PAGE_BYTES} from 0 to ${WORKING_SET_BYTES_MAX}`;
    throw outOfRange("workingSetBytes", rule, workingSetBytes);
  }
  if (dirtyBytesPerSecond > 0 && workingSetBytes === 0) {
    throw outOfRange("workingSetBytes", "above 0 for a rate above 0", workingSetBytes);
  }
}

/** Whether `value` is an integer from 0 to `max`. */
export function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

export function outOfRange(name: string, rule: string, value: unknown): RangeError {
  return new RangeError(`Expected \`${name}\` to be ${rule}, got \`${value}\``);
}
