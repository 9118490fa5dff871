import { afterEach, describe, expect, it, vi } from "vitest";
import { CopyPair, canCopy, VM } from "./testing/copy-pair.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 150_000 });

describe.skipIf(!canCopy)("a disk that the hosts do not share", () => {
  let pair: CopyPair;
  afterEach(() => pair?.close());

  it.each([
    ["raw", "copy", ["data.img", "spare.img"]],
    ["qcow2", "move", ["spare.img"]],
  ] as const)("goes with its guest, which writes on: %s, %s", async (format, way, left) => {
    pair = new CopyPair(format);
    await pair.startGuest();
    await pair.begin({ storage: { data: way, spare: "copy" } });
    await pair.hasMoved();
    await pair.source.run("source.discard", VM, {}, pair.identity);
    expect(pair.images(pair.source)).toEqual(left);
    expect(await pair.check(pair.target)).toMatchObject({ problems: [] });
  });
});
