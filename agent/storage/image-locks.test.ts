import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { foreignLocks } from "./image-locks.ts";

const QEMU = 7;
const FILE = "fe:00:99";
const OWN = [
  `OFDLCK ADVISORY  READ -1 ${FILE} 100 101`,
  `OFDLCK ADVISORY  READ -1 ${FILE} 201 201`,
];
const OTHER = `POSIX  ADVISORY  READ 12 ${FILE}`;

describe("the locks of others on an image", () => {
  let folder: string;
  let image: string;
  beforeEach(() => {
    folder = testFolder();
    image = join(folder, "a.img");
    writeFileSync(image, "");
    addProcess(QEMU, OWN);
  });

  /** A process that has the image open, with these locks. */
  function addProcess(pid: number, locks: readonly string[], name = "qemu"): void {
    for (const part of ["fd", "fdinfo"])
      mkdirSync(join(folder, String(pid), part), { recursive: true });
    symlinkSync(image, join(folder, String(pid), "fd/8"));
    const lines = locks.map((lock, index) => `lock:\t${index + 1}: ${lock}\n`).join("");
    writeFileSync(join(folder, String(pid), "fdinfo/8"), `pos:\t0\nino:\t99\n${lines}`);
    writeFileSync(join(folder, String(pid), "comm"), `${name}\n`);
  }

  function found(...others: readonly string[]): string[] {
    const lines = [...others, ...OWN].map((lock, index) => `${index + 1}: ${lock}\n`);
    writeFileSync(join(folder, "locks"), lines.join(""));
    return foreignLocks(QEMU, image, folder);
  }

  it("are none where only QEMU's own are", () => {
    expect(found()).toEqual([]);
  });

  it.each([
    ["denies writers", `${OTHER} 201 201`],
    ["writes", `${OTHER} 101 101`],
    ["has the whole file", `POSIX  ADVISORY  WRITE 12 ${FILE} 0 EOF`],
  ])("name a process that %s", (_, lock) => {
    addProcess(12, [lock], "backup");
    expect(found(lock)).toEqual(["process 12 (backup)"]);
  });

  it.each([
    ["only reads", `${OTHER} 100 100`],
    ["locks other bytes", `${OTHER} 0 99`],
    ["locks another file", "POSIX  ADVISORY  READ 12 fe:00:98 201 201"],
    ["waits for a lock", `-> ${OTHER} 201 201`],
    ["uses flock", `FLOCK  ADVISORY  WRITE 12 ${FILE} 0 EOF`],
  ])("leave out a process that %s", (_, lock) => {
    expect(found(lock)).toEqual([]);
  });

  it("name the holder of an open file's lock that equals one of QEMU's own", () => {
    const lock = `OFDLCK ADVISORY  READ -1 ${FILE} 201 201`;
    addProcess(13, [lock], "qemu-img");
    expect(found(lock)).toEqual(["process 13 (qemu-img)"]);
  });

  it("are not told where QEMU itself does not lock", () => {
    const lock = `${OTHER} 201 201`;
    writeFileSync(join(folder, String(QEMU), "fdinfo/8"), "pos:\t0\n");
    expect(found(lock)).toEqual([]);
  });
});
