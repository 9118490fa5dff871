import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sendSignal, waitForEnd } from "../../agent/runtime/process.ts";
import { ImageLock } from "../../rig/image-lock.ts";
import { CopyPair, canCopy, VM } from "./testing/copy-pair.ts";
import {
  copying,
  failed,
  guestOf,
  held,
  PATIENCE,
  runsAtSource,
  targetIsEmpty,
  UNLIMITED,
} from "./testing/phases.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 150_000 });

/** QEMU aborts where a mirror begins or ends under such a lock: each test would lose its guest. */
describe.skipIf(!canCopy)("a copied disk whose image another process locks", () => {
  let pair: CopyPair;
  let lock: ImageLock | undefined;
  const locked = async () => {
    lock = await ImageLock.hold(pair.image(pair.source));
  };
  beforeEach(async () => {
    pair = new CopyPair("raw");
    await pair.startGuest();
  });
  afterEach(async () => {
    await lock?.release();
    await pair.close();
  });

  it("is refused before anything is made, and moves once the lock is gone", async () => {
    await locked();
    await expect(pair.agree()).rejects.toThrow(
      /disk-not-copied.*policy.storage.data.*Disk data: its image is locked by process \d+ \(perl\)/,
    );
    expect(pair.images(pair.target)).toEqual([]);
    await lock?.release();
    await pair.begin();
    await pair.hasMoved();
    expect(await pair.check(pair.target)).toMatchObject({ problems: [] });
  });

  it("stays with its guest when the lock comes before the copy", async () => {
    const agreement = await pair.agree();
    const prepared = await pair.prepare(agreement);
    await locked();
    await pair.start(agreement, prepared);
    expect(await failed(pair)).toMatch(
      /^disk-not-copied: Disk data: its image .*data.img is locked by process \d+ \(perl\)/,
    );
    await runsAtSource(pair);
  });

  it("stays with its guest when the target is killed meanwhile", async () => {
    await copying(pair);
    await locked();
    const { manifest } = guestOf(pair.target);
    sendSignal(manifest, "SIGKILL");
    await waitForEnd(manifest, 5_000);
    await failed(pair);
    await pair.hasWritten(pair.source);
    await lock?.release();
    await runsAtSource(pair);
    expect(await pair.check(pair.source)).toMatchObject({ problems: [] });
  });

  it("stays with its guest when the move is cancelled meanwhile", async () => {
    await held(pair);
    await locked();
    await pair.source.run("source.cancel", VM, {}, pair.identity);
    await failed(pair);
    await pair.hasWritten(pair.source);
    const { qmp } = guestOf(pair.source);
    expect(await qmp.execute("query-block-jobs")).not.toEqual([]);
    await targetIsEmpty(pair);
    await expect(pair.agree()).rejects.toThrow(/is locked by process/);
    await lock?.release();
    await runsAtSource(pair);
  });

  it("moves once the lock is gone that came while it was copied", async () => {
    await copying(pair);
    await locked();
    await pair.source.run("source.set", VM, UNLIMITED, pair.identity);
    await vi.waitFor(async () => {
      const jobs = await guestOf(pair.source).qmp.execute("query-block-jobs");
      expect(jobs.every(({ ready }) => ready)).toBe(true);
    }, PATIENCE);
    await pair.hasWritten(pair.source);
    expect(pair.source.events.map(({ body }) => body.type)).not.toContain("migration.stopped");
    await lock?.release();
    await pair.hasMoved();
    expect(await pair.check(pair.target)).toMatchObject({ problems: [] });
  });
});
