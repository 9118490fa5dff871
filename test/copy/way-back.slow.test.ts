import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sendSignal, waitForEnd } from "../../agent/runtime/process.ts";
import { CopyPair, canCopy, VM } from "./testing/copy-pair.ts";
import {
  FROZEN,
  failed,
  guestOf,
  PATIENCE,
  phases,
  release,
  runsAtSource,
  targetIsEmpty,
} from "./testing/phases.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 150_000 });

describe.skipIf(!canCopy).each(["raw", "qcow2"] as const)("a copied %s disk", (format) => {
  let pair: CopyPair;
  beforeEach(async () => {
    pair = new CopyPair(format);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  it.each(phases)("is given up by a cancel %s, and moves after that", async (_, reach) => {
    await reach(pair);
    const before = readFileSync(pair.image(pair.source)).length;
    await pair.source.run("source.cancel", VM, {}, pair.identity);
    await runsAtSource(pair);
    await targetIsEmpty(pair);
    expect(readFileSync(pair.image(pair.source)).length).toBeGreaterThanOrEqual(before);
    pair.letSwitchOver();
    for (const host of [pair.source, pair.target]) host.events.splice(0);
    await pair.begin();
    await pair.hasMoved();
    await pair.source.run("source.discard", VM, {}, pair.identity);
    expect(await pair.check(pair.target)).toMatchObject({ problems: [] });
  });

  it.each(phases)("stays with its guest when the target's QEMU is killed %s", async (_, reach) => {
    await reach(pair);
    const { manifest } = guestOf(pair.target);
    sendSignal(manifest, "SIGKILL");
    await waitForEnd(manifest, 5_000);
    pair.letSwitchOver();
    await failed(pair);
    await runsAtSource(pair);
    await targetIsEmpty(pair);
    expect(await pair.check(pair.source)).toMatchObject({ problems: [] });
  });

  it.each(phases)("moves although the source's agent restarts %s", async (_, reach) => {
    await reach(pair);
    pair.source = await pair.source.restart();
    await release(pair, reach);
    await pair.hasMoved();
    await pair.source.run("source.discard", VM, {}, pair.identity);
    expect(await pair.check(pair.target)).toMatchObject({ problems: [] });
  });

  it.each(phases)("moves although the target's agent restarts %s", async (_, reach) => {
    await reach(pair);
    pair.target = await pair.target.restart();
    await release(pair, reach);
    await pair.hasMoved();
    await pair.source.run("source.discard", VM, {}, pair.identity);
    expect(await pair.check(pair.target)).toMatchObject({ problems: [] });
  });
});

/** What a guest has not flushed is in a raw image all the same; of a qcow2 image it may be lost. */
describe.skipIf(!canCopy)("the raw image of a source that is killed", () => {
  let pair: CopyPair;
  beforeEach(async () => {
    pair = new CopyPair("raw");
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  it.each(phases)("is whole %s", async (_, reach) => {
    await reach(pair);
    const { manifest } = guestOf(pair.source);
    const reported = pair.last(pair.source);
    sendSignal(manifest, "SIGKILL");
    await waitForEnd(manifest, 5_000);
    expect(await pair.checkImage(pair.source, reported)).toMatchObject({ problems: [] });
    await targetIsEmpty(pair);
  });
});

describe.skipIf(!canCopy)("a copy that has not begun", () => {
  let pair: CopyPair;
  beforeEach(async () => {
    pair = new CopyPair("qcow2");
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  it("leaves no image, however the target's process ends", async () => {
    for (const end of [
      () => pair.target.run("target.discard", VM, {}, pair.identity),
      async () => void sendSignal(guestOf(pair.target).manifest, "SIGKILL"),
      async () => {
        const { manifest } = guestOf(pair.target);
        pair.target = await pair.target.restart(async () => {
          sendSignal(manifest, "SIGKILL");
          await waitForEnd(manifest, 5_000);
        });
      },
    ]) {
      await pair.prepare(await pair.agree());
      expect(pair.images(pair.target)).toEqual(["data.img", "spare.img"]);
      await end();
      await vi.waitFor(() => expect(pair.images(pair.target)).toEqual([]), PATIENCE);
    }
    await pair.begin();
    await pair.hasMoved();
  });

  it("is refused where a file is, which stays", async () => {
    const agreement = await pair.agree();
    writeFileSync(pair.image(pair.target), "somebody's");
    await expect(pair.agree()).rejects.toThrow(/disk-not-copied.*has a file .*already/s);
    await expect(pair.prepare(agreement)).rejects.toThrow(/refused: Disk data: .*EEXIST/);
    expect(readFileSync(pair.image(pair.target), "utf8")).toBe("somebody's");
    expect(pair.images(pair.target)).toEqual(["data.img"]);
    await runsAtSource(pair);
  });
});

describe.skipIf(!canCopy)("a copied disk whose target is frozen", () => {
  let pair: CopyPair;
  beforeEach(async () => {
    pair = new CopyPair("raw");
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  it.each(phases)("is given up %s, and its guest goes on writing", async (_, reach) => {
    await reach(pair, { silenceMs: 4_000 });
    const { manifest } = guestOf(pair.target);
    sendSignal(manifest, "SIGSTOP");
    pair.letSwitchOver();
    expect(await failed(pair)).toMatch(FROZEN);
    await runsAtSource(pair);
    sendSignal(manifest, "SIGCONT");
    await targetIsEmpty(pair);
    expect(await pair.check(pair.source)).toMatchObject({ problems: [] });
  });
});
