import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import type { Resources } from "../guest/resources.ts";
import { testFolder } from "../testing/folder.ts";
import { copyPlaces, wantedImages } from "./copy-places.ts";

let folder = "";
let resources: Resources;

beforeEach(() => {
  folder = testFolder();
  resources = { disks: { type: "folder", path: folder }, net: { type: "tap" } };
});

const inFolder = { $host: "disks", type: "folder", file: "data.img" };

function definitionOf(filename: unknown) {
  const file = { driver: "file", filename };
  return VmDefinition.parse({
    memoryBytes: 1 << 20,
    blockdevs: [{ driver: "raw", "node-name": "data", file }],
  });
}

const placeOf = async (filename: unknown) =>
  (await copyPlaces(["data"], definitionOf(filename), resources))[0];

describe("the place of a copy on the target", () => {
  it("is where the definition says, by this host's resources, with the room there", async () => {
    const path = join(folder, "data.img");
    for (const filename of [path, inFolder]) {
      expect(await placeOf(filename)).toMatchObject({ disk: "data", path });
    }
    expect((await placeOf(path))?.freeBytes).toBeGreaterThan(0);
  });

  it("is refused where a file is, with the path", async () => {
    const path = join(folder, "data.img");
    writeFileSync(path, "");
    const place = await placeOf(inFolder);
    expect(place?.problem).toContain(`has a file ${path} already`);
    expect(place?.cure).toMatch(/move that away/);
  });

  it("is refused where no folder is", async () => {
    const place = await placeOf(join(folder, "none", "data.img"));
    expect(place?.problem).toMatch(/no folder .*none/);
  });

  it.each([
    ["a resource that the host lacks", { $host: "other" }],
    ["a tap", { $host: "net" }],
  ])("is not known for %s", async (_, filename) => {
    expect(await placeOf(filename)).toEqual({ disk: "data" });
  });
});

it("an image is made where the definition says, whatever the command does", () => {
  const copy = {
    disk: "data",
    format: "qcow2",
    sizeBytes: 1,
    sourceNode: "data",
    sourcePath: "/a",
    sourceAfter: "kept",
    targetPath: "/etc/passwd",
  } as const;
  const definition = definitionOf(inFolder);
  expect(wantedImages([copy], definition, resources)).toEqual([
    { disk: "data", format: "raw", sizeBytes: 1, path: join(folder, "data.img") },
  ]);
  expect(() => wantedImages([{ ...copy, disk: "x" }], definition, resources)).toThrow(
    /Disk x: expected one image/,
  );
});
