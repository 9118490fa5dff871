import { zstdDecompressSync } from "node:zlib";

/**
 * Extracts the plain ELF kernel from a bzImage, so that L1 need not unpack it in emulation: QEMU
 * starts an ELF kernel through its PVH note. Offsets are those of the x86 boot protocol 2.08
 * (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length).
 *
 * @throws Error when the payload is not compressed with zstd, as Debian's is.
 */
export function unpackKernel(image: Buffer): Buffer {
  if (image.toString("latin1", 0x202, 0x206) !== "HdrS") throw new Error("Expected a bzImage");
  const sectors = image.readUInt8(0x1f1);
  const start = (sectors + 1) * 512 + image.readUInt32LE(0x248);
  // Its last four bytes are not part of the stream: they are the unpacked size.
  const end = start + image.readUInt32LE(0x24c) - 4;
  const sizeBytes = image.readUInt32LE(end);
  const kernel = zstdDecompressSync(image.subarray(start, end));
  if (kernel.length !== sizeBytes || kernel.toString("latin1", 1, 4) !== "ELF") {
    throw new Error(`Expected an ELF kernel of ${sizeBytes} bytes, got ${kernel.length}`);
  }
  return kernel;
}
