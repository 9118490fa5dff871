import { describe, expect, it } from "vitest";
import { type CpioEntry, writeCpio } from "./cpio.ts";

const HEADER_BYTES = 110;

describe("writeCpio", () => {
  const entries: CpioEntry[] = [
    { kind: "directory", name: "dev", mode: 0o755 },
    { kind: "charDevice", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "file", name: "init", mode: 0o755, data: Buffer.from("hello") },
    { kind: "link", name: "lib", target: "usr/lib" },
  ];

  it("keeps names, types, modes and contents, and ends with the trailer", () => {
    expect(readCpio(writeCpio(entries))).toEqual([
      { name: "dev", mode: "40755", data: "", device: "0:0" },
      { name: "dev/console", mode: "20600", data: "", device: "5:1" },
      { name: "init", mode: "100755", data: "hello", device: "0:0" },
      { name: "lib", mode: "120777", data: "usr/lib", device: "0:0" },
      { name: "TRAILER!!!", mode: "0", data: "", device: "0:0" },
    ]);
  });

  it("gives the same bytes for the same entries, in whole words", () => {
    const archive = writeCpio(entries);
    expect(archive.equals(writeCpio(entries))).toBe(true);
    expect(archive.length % 4).toBe(0);
  });
});

type ReadEntry = {
  name: string;
  mode: string;
  data: string;
  device: string;
};

function readCpio(archive: Buffer): ReadEntry[] {
  const entries: ReadEntry[] = [];
  for (let at = 0; at < archive.length; ) {
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const field = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + HEADER_BYTES + field(11);
    const dataStart = align(nameEnd);
    const dataEnd = dataStart + field(6);
    entries.push({
      name: archive.toString("utf8", at + HEADER_BYTES, nameEnd - 1),
      mode: field(1).toString(8),
      data: archive.toString("utf8", dataStart, dataEnd),
      device: `${field(9)}:${field(10)}`,
    });
    at = align(dataEnd);
  }
  return entries;
}

function align(offset: number): number {
  return Math.ceil(offset / 4) * 4;
}
