import { readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { type MadeImage, makeImages, removeImages, type WantedImage } from "./copy-images.ts";

const SIZE = 1 << 20;

let path = "";
let notes: MadeImage[][];
const note = (images: MadeImage[]) => void notes.push(structuredClone(images));
const noted = () => notes.at(-1) ?? [];

beforeEach(() => {
  path = join(testFolder(), "data.img");
  notes = [];
});

const wanted = (change: Partial<WantedImage> = {}): WantedImage => ({
  disk: "data",
  format: "raw",
  sizeBytes: SIZE,
  path,
  ...change,
});

const exists = () => statSync(path, { throwIfNoEntry: false }) !== undefined;

describe("an image for a copied disk", () => {
  it("is a new file of the whole size, without content, for its owner only", async () => {
    await makeImages([wanted()], note);
    const { size, blocks, mode } = statSync(path);
    expect({ size, blocks, mode: mode & 0o777 }).toEqual({ size: SIZE, blocks: 0, mode: 0o600 });
  });

  it("is noted before it appears, and with its identity after that", async () => {
    await makeImages([wanted()], (images) => {
      note(images);
      if (notes.length === 1) expect(exists()).toBe(false);
    });
    expect(notes.map(([image]) => image?.identity !== undefined)).toEqual([false, true]);
  });

  it("never takes the place of a file, which also stays when the images are removed", async () => {
    writeFileSync(path, "somebody's");
    await expect(makeImages([wanted()], note)).rejects.toThrow(
      /^Disk data: the image .*data.img cannot be made: EEXIST.*move it away$/s,
    );
    expect(noted()).toEqual([]);
    removeImages(noted());
    expect(readFileSync(path, "utf8")).toBe("somebody's");
  });

  it("that cannot be made names disk, path and cure", async () => {
    const nowhere = wanted({ path: join(path, "none", "data.img") });
    await expect(makeImages([nowhere], note)).rejects.toThrow(/Disk data: .*see that .* exists/s);
  });

  it("is removed with the others when one of them cannot be made", async () => {
    const second = wanted({ disk: "more", path: join(path, "none") });
    await expect(makeImages([wanted(), second], note)).rejects.toThrow(/Disk more/);
    removeImages(noted());
    expect(exists()).toBe(false);
  });
});

describe("an image that its guest has never used", () => {
  it("is removed, and may be removed again", async () => {
    await makeImages([wanted()], note);
    removeImages(noted());
    removeImages(noted());
    expect(exists()).toBe(false);
  });

  it("stays where another file has taken its place", async () => {
    await makeImages([wanted()], note);
    renameSync(path, `${path}.kept`);
    writeFileSync(path, "another");
    removeImages(noted());
    expect(readFileSync(path, "utf8")).toBe("another");
    rmSync(`${path}.kept`);
  });

  it("is known after a crash before its identity was noted, by having no content", async () => {
    await makeImages([wanted()], note);
    const before = notes[0] ?? [];
    removeImages(before);
    expect(exists()).toBe(false);
    writeFileSync(path, "content");
    removeImages(before);
    expect(exists()).toBe(true);
  });

  it("is not taken for an older file without content", () => {
    writeFileSync(path, "");
    truncateSync(path, SIZE);
    removeImages([{ disk: "data", path, notedAtMs: Date.now() + 60_000 }]);
    expect(exists()).toBe(true);
  });
});
