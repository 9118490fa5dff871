import { actingGuestCode } from "./acting-guest-code.ts";
import { writeBootImage } from "./boot-disk.ts";
import {
  assertGuestLoad,
  GUEST_PAGE_BYTES,
  type GuestLoad,
  isWithin,
  outOfRange,
  SECTOR_BYTES,
  WORKING_SET_START_BYTES,
} from "./boot-sector.ts";

/**
 * What the guest can do by itself, as one write to an I/O port: one byte, or two bytes above 0xff.
 * The ports are those of SeaBIOS's set-up of `pc` and `q35`.
 */
export const guestActions = {
  /** Only counts. */
  none: { port: 0, value: 0 },
  /**
   * ACPI S3: SLP_EN and sleep type 1 in PM1a_CNT. After a wake-up (QMP `system_wakeup`) SeaBIOS enters
   * the guest at its firmware waking vector: it prints "switchyard guest woke" and goes on counting
   * where it was, memory and checks included. Sleeps once.
   */
  sleep: { port: 0x604, value: 0x2400 },
  /** ACPI S5: SLP_EN and sleep type 0 in PM1a_CNT. */
  "power-off": { port: 0x604, value: 0x2000 },
  /** Needs `PANIC_DEVICE`. If QEMU lets the guest run on, it goes on counting. */
  panic: { port: 0x505, value: 1 },
  /** Reset control register. The guest boots again, and resets again after as many ticks. */
  reset: { port: 0xcf9, value: 6 },
};

export type GuestAction = keyof typeof guestActions;

export type ActingGuestLoad = GuestLoad & {
  readonly action: GuestAction;
  /**
   * The tick of the action, 1 to 2^32 - 1, counted from boot. The guest prints "switchyard guest acts"
   * just before it. Not used for `none`.
   */
  readonly afterTicks: number;
};

/** How the guest uses its data disk: see data-guest.ts. */
export type DiskLoad = {
  /** Sectors of 512 bytes that are written in turn, 1 to 2^20 (512 MiB). */
  readonly dataSectors: number;
  /** Sectors checked and written per tick, 0 to 64. 0: the disk is not touched. */
  readonly sectorsPerTick: number;
};

/** The argument of `-device` without which `panic` does nothing. Machine types `pc` and `q35`. */
export const PANIC_DEVICE = { driver: "pvpanic", id: "panic" };

/** Where the parameters lie, in bytes. The order is that of acting-guest.s. */
const OFFSET_BYTES = {
  rate: 480,
  pages: 484,
  end: 488,
  after: 492,
  port: 496,
  value: 498,
  dataSectors: 500,
  sectorsPerTick: 504,
  signature: 510,
};
const UINT32_MAX = 2 ** 32 - 1;
const DATA_SECTORS_MAX = 2 ** 20;
const SECTORS_PER_TICK_MAX = 64;
const NO_DISK: DiskLoad = { dataSectors: 1, sectorsPerTick: 0 };

/**
 * Makes the boot image of the acting guest: whole sectors, the first of which loads the others. It
 * counts, prints, dirties and checks memory as `bootSector` does, and takes one action.
 *
 * @throws {RangeError} when a value of `load` or `disk` is out of its range.
 */
export function actingGuest(load: ActingGuestLoad, disk: DiskLoad = NO_DISK): Uint8Array {
  assertGuestLoad(load);
  assertAction(load);
  assertDisk(disk);
  const { loader, program } = actingGuestCode();
  const programSectors = Math.ceil(program.length / SECTOR_BYTES);
  const image = new Uint8Array((1 + programSectors) * SECTOR_BYTES);
  image.set(loader);
  image.set(program, SECTOR_BYTES);
  image.set([0x55, 0xaa], OFFSET_BYTES.signature);
  const { port, value } = guestActions[load.action];
  const view = new DataView(image.buffer);
  const uint32 = (offset: number, figure: number) => view.setUint32(offset, figure, true);
  const uint16 = (offset: number, figure: number) => view.setUint16(offset, figure, true);
  uint32(OFFSET_BYTES.rate, load.dirtyBytesPerSecond);
  uint32(OFFSET_BYTES.pages, load.workingSetBytes / GUEST_PAGE_BYTES);
  uint32(OFFSET_BYTES.end, WORKING_SET_START_BYTES + load.workingSetBytes);
  uint32(OFFSET_BYTES.after, load.action === "none" ? 0 : load.afterTicks);
  uint16(OFFSET_BYTES.port, port);
  uint16(OFFSET_BYTES.value, value);
  uint32(OFFSET_BYTES.dataSectors, disk.dataSectors);
  uint16(OFFSET_BYTES.sectorsPerTick, disk.sectorsPerTick);
  return image;
}

/**
 * Writes a boot disk like `writeBootDisk`, with the acting guest on it: `bootDiskDefinition` fits.
 *
 * @throws {RangeError} when a value of `load` or `disk` is out of its range.
 */
export async function writeActingDisk(
  path: string,
  load: ActingGuestLoad,
  disk?: DiskLoad,
): Promise<void> {
  await writeBootImage(path, actingGuest(load, disk));
}

function assertAction({ action, afterTicks }: ActingGuestLoad): void {
  if (!Object.hasOwn(guestActions, action)) {
    throw outOfRange("action", `one of ${Object.keys(guestActions).join(", ")}`, action);
  }
  if (action !== "none" && (afterTicks === 0 || !isWithin(afterTicks, UINT32_MAX))) {
    throw outOfRange("afterTicks", `an integer from 1 to ${UINT32_MAX}`, afterTicks);
  }
}

function assertDisk({ dataSectors, sectorsPerTick }: DiskLoad): void {
  if (dataSectors === 0 || !isWithin(dataSectors, DATA_SECTORS_MAX)) {
    throw outOfRange("dataSectors", `an integer from 1 to ${DATA_SECTORS_MAX}`, dataSectors);
  }
  if (!isWithin(sectorsPerTick, SECTORS_PER_TICK_MAX)) {
    const rule = `an integer from 0 to ${SECTORS_PER_TICK_MAX}`;
    throw outOfRange("sectorsPerTick", rule, sectorsPerTick);
  }
}
