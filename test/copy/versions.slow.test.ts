import { afterEach, describe, expect, it, vi } from "vitest";
import { qemuBinaries } from "../../rig/guest/testing/qemu-binaries.ts";
import { CopyPair, canCopy, VM } from "./testing/copy-pair.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 150_000 });

/** Earlier ones are refused. */
const binaries = qemuBinaries.filter(({ version }) => version !== "7.2");
const pairs = binaries.flatMap((source) =>
  binaries.map((target) => [source.version, target.version, source, target] as const),
);

describe.skipIf(!canCopy || pairs.length === 0)("a copied disk moves between versions", () => {
  let pair: CopyPair;
  afterEach(() => pair?.close());

  it.each(pairs)("from %s to %s", async (_from, _to, source, target) => {
    pair = new CopyPair("qcow2", { source: source.binary, target: target.binary });
    await pair.startGuest();
    await pair.begin();
    await pair.hasMoved();
    await pair.source.run("source.discard", VM, {}, pair.identity);
    expect(await pair.check(pair.target)).toMatchObject({ problems: [] });
  });
});
