import { zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { unpackKernel } from "./kernel-image.ts";

describe("unpackKernel", () => {
  const kernel = Buffer.concat([Buffer.from("\x7fELF", "latin1"), Buffer.alloc(5000, 7)]);

  it("takes the kernel out of a bzImage", () => {
    expect(unpackKernel(bzImage(kernel)).equals(kernel)).toBe(true);
  });

  it("refuses what is not a bzImage", () => {
    expect(() => unpackKernel(Buffer.alloc(4096))).toThrow("Expected a bzImage");
  });

  it("refuses a payload whose size differs from the one in the image", () => {
    const image = bzImage(kernel);
    image.writeUInt32LE(1, image.length - 4);
    expect(() => unpackKernel(image)).toThrow("Expected an ELF kernel of 1 bytes");
  });
});

function bzImage(kernel: Buffer): Buffer {
  const setupSectors = 3;
  const stubBytes = 100;
  const stream = zstdCompressSync(kernel);
  const setup = Buffer.alloc((setupSectors + 1) * 512);
  setup.writeUInt8(setupSectors, 0x1f1);
  setup.write("HdrS", 0x202, "latin1");
  setup.writeUInt32LE(stubBytes, 0x248);
  setup.writeUInt32LE(stream.length + 4, 0x24c);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(kernel.length);
  return Buffer.concat([setup, Buffer.alloc(stubBytes), stream, size]);
}
