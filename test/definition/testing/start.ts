import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "../../../agent/guest/guest.ts";
import type { Resources } from "../../../agent/guest/resources.ts";
import { VmId } from "../../../core/id.ts";
import type { VmDefinition } from "../../../core/vm.ts";

const VM = VmId.parse("vm1");

/**
 * Builds a guest's machine, as a target does by default: paused. `work` sees it, then QEMU is quit.
 */
export async function withMachine<T>(
  options: {
    qemu: string;
    definition: VmDefinition;
    runDir: string;
    resources?: Resources;
    incoming?: boolean;
  },
  work: (guest: Guest) => Promise<T>,
): Promise<T> {
  const { qemu, definition, runDir, resources = {}, incoming = true } = options;
  const process = { qemu, runDir, sandbox: false, resources };
  const guest = await Guest.start({ vm: VM, definition, ...process, incoming });
  try {
    return await work(guest);
  } finally {
    await guest.end();
  }
}

const SEABIOS = "/usr/share/seabios/bios-256k.bin";
const KIB = 2 ** 10;

/**
 * Makes what examples of definitions name: a disk, a kernel and an initrd that QEMU loads and no guest
 * boots, firmware and its variables. The firmware is SeaBIOS where it is installed.
 *
 * @returns their folder
 */
export function makeFiles(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, content: Buffer) => writeFileSync(join(folder, name), content);
  write("disk.raw", Buffer.alloc(1_024 * KIB));
  write("initrd.img", Buffer.alloc(4 * KIB));
  write("vmlinuz", kernelImage());
  write("OVMF_VARS.fd", Buffer.alloc(64 * KIB));
  if (existsSync(SEABIOS)) copyFileSync(SEABIOS, join(folder, "OVMF_CODE.fd"));
  else write("OVMF_CODE.fd", Buffer.alloc(256 * KIB));
  return folder;
}

/** A Linux image's header (Documentation/arch/x86/boot.rst) and no kernel. */
function kernelImage(): Buffer {
  const image = Buffer.alloc(64 * KIB);
  image.writeUInt8(4, 0x1f1); // setup_sects
  image.write("HdrS", 0x202);
  image.writeUInt16LE(0x20c, 0x206); // version of the boot protocol
  image.writeUInt8(1, 0x211); // LOADED_HIGH
  image.writeUInt32LE(0x7fffffff, 0x22c); // initrd_addr_max
  return image;
}
