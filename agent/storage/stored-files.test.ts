import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Witness } from "../../core/twin/storage.ts";
import { VmDefinition } from "../../core/vm.ts";
import { testFolder } from "../testing/folder.ts";
import { StoredFiles } from "./stored-files.ts";

const witness = Witness.parse(`.switchyard-${"0a".repeat(16)}`);
const definition = VmDefinition.parse({ memoryBytes: 1 << 20 });
const held: number[] = [];
let folder = "";
let image = "";

beforeEach(() => {
  folder = testFolder();
  image = file("a/disk.img", "content");
});
afterEach(() => {
  for (const descriptor of held.splice(0)) closeSync(descriptor);
});

function file(name: string, content: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** The files that this process has open, as a guest's. */
function read(...names: string[]): Promise<StoredFiles> {
  return readWith({}, ...names);
}

function readWith(changes: object, ...names: string[]): Promise<StoredFiles> {
  const ends = names.map((name) => ({ ...end(name), ...changes }));
  return StoredFiles.read({ pid: process.pid, definition, ...changes }, ends);
}

function end(name: string) {
  const modes = { isReadOnly: false, isDirect: false, ignoresFlush: false };
  return { place: "pci/04.0", driver: "file", ...modes, name };
}

function hold(path: string): void {
  held.push(openSync(path, "r"));
}

describe("the files of a guest", () => {
  it("are identified by the kernel, whatever name leads to them", async () => {
    hold(image);
    const link = join(folder, "link.img");
    symlinkSync(image, link);
    const { storage } = await read(image, link);
    expect(storage.files[0]?.identity).toMatch(/^file \d+:\d+ \d+$/);
    expect(storage.files[1]?.identity).toBe(storage.files[0]?.identity);
    expect(storage.files[0]).not.toHaveProperty("problem");
    expect(storage.filesTotal).toBe(2);
  });

  it("are not known by their names where the process has another file open", async () => {
    hold(image);
    renameSync(file("b.img", "another"), image);
    const { storage } = await read(image);
    expect(storage.files[0]?.problem).toMatch(/another file open/);
    expect(storage.files[0]).not.toHaveProperty("identity");
  });

  it("are marked where this agent has made them", async () => {
    hold(image);
    const images = [{ disk: "d", path: image, notedAtMs: 0 }];
    const { storage } = await StoredFiles.read({ pid: process.pid, definition, images }, [
      end(image),
    ]);
    expect(storage.files[0]).toMatchObject({ isCopy: true });
    expect((await read(image)).storage.files[0]).not.toHaveProperty("isCopy");
  });

  it("have a problem where they are missing", async () => {
    const { storage } = await read(join(folder, "none.img"));
    expect(storage.files[0]?.problem).toMatch(/ENOENT/);
  });

  it("that are neither files nor block devices have no place for a witness", async () => {
    hold("/dev/null");
    const files = await read("/dev/null");
    expect(files.storage.files[0]?.identity).toMatch(/^special /);
    expect((await files.makeWitness(witness, [0])).has(0)).toBe(true);
  });

  it("that are no paths are not inspections for", async () => {
    const { storage } = await readWith({ driver: "nbd" }, "nbd://10.0.0.1/disk");
    expect(storage.files[0]).toEqual({
      place: "pci/04.0",
      driver: "nbd",
      name: "nbd://10.0.0.1/disk",
      isReadOnly: false,
    });
  });

  it("have a witness in each folder, seen from the other side, and nothing is left", async () => {
    const second = file("b/disk.img", "second");
    hold(image);
    hold(second);
    const source = await read(image, second);
    const target = await read(image, second);
    expect(await source.makeWitness(witness, [0, 1])).toEqual(new Map());
    rmSync(join(folder, "b", witness));
    const inspected = await target.inspect(witness, []);
    expect(inspected.map(({ hasWitness }) => hasWitness)).toEqual([true, false]);
    expect(inspected[0]?.attributes).toMatch(/^inode \d+, 7 bytes, written \d+, changed \d+$/);
    await source.removeWitness(witness);
    expect(readdirSync(join(folder, "a"))).toEqual(["disk.img"]);
    expect((await target.inspect(witness, []))[0]?.hasWitness).toBe(false);
  });

  it("say why a folder takes no witness", async () => {
    hold("/proc/version");
    const files = await read("/proc/version");
    const problems = await files.makeWitness(witness, [0]);
    expect(problems.get(0)).toMatch(/E[A-Z]+/);
    await files.removeWitness(witness);
  });

  it("have a digest of their content where it is asked for", async () => {
    const same = file("same.img", "content");
    const other = file("other.img", "CONTENT");
    for (const path of [image, same, other]) hold(path);
    const files = await read(image, same, other, image);
    const [a, b, c, d] = await files.inspect(witness, [0, 1, 2]);
    expect(a?.digest).toMatch(/^sha256 [0-9a-f]{64} of 7 bytes$/);
    expect(b?.digest).toBe(a?.digest);
    expect(c?.digest).not.toBe(a?.digest);
    expect(d).not.toHaveProperty("digest");
  });
});

describe("a cache mode that is not safe between hosts", () => {
  const keeps = (filename: unknown) => ({
    definition: VmDefinition.parse({
      memoryBytes: 1 << 20,
      blockdevs: [
        {
          driver: "raw",
          "node-name": "d",
          file: { driver: "file", filename, "drop-cache": false },
        },
      ],
    }),
  });

  it.each([
    ["none by default", {}, undefined],
    ["ignored flushes", { ignoresFlush: true }, /no-flush/],
    ["ignored flushes of a read-only file", { ignoresFlush: true, isReadOnly: true }, undefined],
    ["a target's cache that is kept", keeps("/x.img"), /drop-cache/],
    ["a kept cache of another file", keeps("/y.img"), undefined],
    ["a kept cache of a host resource", keeps({ $host: "x" }), /drop-cache/],
    ["a kept cache that is not used", { ...keeps("/x.img"), isDirect: true }, undefined],
  ])("%s", async (_, changes, expected) => {
    const { storage } = await readWith(changes, "/x.img");
    const problem = storage.files[0]?.unsafeCache;
    if (expected === undefined) expect(problem).toBeUndefined();
    else expect(problem).toMatch(expected);
  });
});
