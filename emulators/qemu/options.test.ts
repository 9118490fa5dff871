import { describe, expect, it } from "vitest";
import { parseList, parseOptions } from "./options.ts";

const parse = (...words: string[]): ReturnType<typeof parseOptions> =>
  parseOptions("qemu-system-x86_64", words);

describe("command line", () => {
  it.each([
    ["128", 128 << 20],
    ["2G", 2 ** 31],
    ["size=1G,slots=2,maxmem=4G", 2 ** 30],
  ])("-m %s", (text, bytes) => {
    expect(parse("-m", text).memoryBytes).toBe(bytes);
  });

  it("takes devices as words and as JSON", () => {
    const { devices } = parse(
      "-device",
      "vfio-pci,host=01:00.0,id=a",
      "-device",
      '{"driver":"vfio-pci","sysfsdev":"/sys/x","id":"b"}',
    );
    expect(devices).toEqual([
      { driver: "vfio-pci", id: "a", properties: { host: "01:00.0" } },
      { driver: "vfio-pci", id: "b", properties: { sysfsdev: "/sys/x" } },
    ]);
  });

  it("finds monitors in -qmp and in -chardev with -mon", () => {
    const { monitors } = parse(
      "-qmp",
      "unix:/a,server=on,wait=off",
      "-chardev",
      "socket,id=c,path=/b,server=on,wait=off",
      "-mon",
      "c,mode=control",
    );
    expect(monitors.map(({ path }) => path)).toEqual(["/a", "/b"]);
  });

  it.each([
    [["-foo"], "-foo: invalid option"],
    [["-m"], "-m: requires an argument"],
    [["-m", "many"], "Parameter 'size' expects a size"],
    [["disk.img"], "Could not open 'disk.img'"],
    [["-accel", "magic"], "invalid accelerator magic"],
  ])("refuses %j", (words, text) => {
    expect(() => parse(...words)).toThrow(text);
  });

  it("reads ,, as a comma", () => {
    expect(parseList("file=a,,b,id=d")).toEqual({ file: "a,b", id: "d" });
  });
});
