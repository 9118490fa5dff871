/**
 * The guest's program. It starts at the CPU's reset vector from an image given by `-bios`, so it
 * runs at once, needs no disk and no firmware, and is the same in every QEMU version.
 *
 * - `idle`: halts with interrupts off; its memory stays zero.
 * - `filled`: writes a number into every page of its memory once, then halts: each page is sent
 * once.
 * - `busy`: writes into every page of its memory forever.
 */
export type GuestKind = "idle" | "filled" | "busy";

/** QEMU takes firmware in multiples of 64 KiB and maps the last 64 KiB below 1 MiB as well. */
const IMAGE_BYTES = 0x10000;
const IMAGE_BASE = 0xf0000;
const RESET_VECTOR = 0xfff0;
const PAGE_BYTES = 0x1000;
const FIRST_BYTE = 0x100000;

const DESCRIPTORS = 0x100;
const POINTER = 0x180;
const PROTECTED_MODE = 0x40;

/** The firmware image of a guest that writes its memory from 1 MiB up to `memoryBytes`. */
export function guestImage(kind: GuestKind, memoryBytes: number): Uint8Array {
  const image = new Uint8Array(IMAGE_BYTES).fill(0xf4);
  image.set([0xea, ...word(0), ...word(0xf000)], RESET_VECTOR); // jmp 0xf000:0
  image.set(kind === "idle" ? haltForEver : enterProtectedMode, 0);
  image.set(writePages(kind, memoryBytes), PROTECTED_MODE);
  image.set(flatSegments, DESCRIPTORS);
  image.set([...word(flatSegments.length - 1), ...double(IMAGE_BASE + DESCRIPTORS)], POINTER);
  return image;
}

const haltForEver = [0xfa, 0xf4, 0xeb, 0xfd]; // cli; hlt; jmp to hlt

const enterProtectedMode = [
  [0xfa], // cli
  [0x66, 0x2e, 0x0f, 0x01, 0x16, ...word(POINTER)], // lgdt cs:[POINTER]
  [0x0f, 0x20, 0xc0], // mov eax, cr0
  [0x0c, 0x01], // or al, 1
  [0x0f, 0x22, 0xc0], // mov cr0, eax
  [0x66, 0xea, ...double(IMAGE_BASE + PROTECTED_MODE), ...word(8)], // jmp 8:PROTECTED_MODE
].flat();

/** Null, code and data segments of 4 GiB at 0. */
const flatSegments = [
  [0, 0, 0, 0, 0, 0, 0, 0],
  [0xff, 0xff, 0, 0, 0, 0x9a, 0xcf, 0],
  [0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0],
].flat();

function writePages(kind: GuestKind, memoryBytes: number): number[] {
  const start = [0xbf, ...double(FIRST_BYTE)]; // mov edi, FIRST_BYTE
  const page = [
    [0xff, 0x07], // inc dword [edi]
    [0x81, 0xc7, ...double(PAGE_BYTES)], // add edi, PAGE_BYTES
    [0x81, 0xff, ...double(memoryBytes)], // cmp edi, memoryBytes
  ].flat();
  const again = [0x72, 256 - (page.length + 2)]; // jb to page
  const pass = [...start, ...page, ...again];
  const end = kind === "busy" ? [0xeb, 256 - (pass.length + 2)] : [0xf4, 0xeb, 0xfd]; // jmp to start, or halt
  const data = [0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8]; // mov ax, 16; mov ds, ax
  return [...data, ...pass, ...end];
}

function word(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff];
}

function double(value: number): number[] {
  return [...word(value & 0xffff), ...word(value >>> 16)];
}
