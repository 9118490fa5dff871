import { existsSync } from "node:fs";
import { expect, vi } from "vitest";
import { copyJob } from "../../../agent/guest/copy-names.ts";
import type { TestHost } from "../../agent/testing/host.ts";
import { type CopyPair, VM } from "./copy-pair.ts";

export const PATIENCE = { timeout: 90_000, interval: 100 };
/** B/s for memory and disk together: the disk then takes some four seconds. */
const SLOW = { maxBandwidthBytesPerSecond: 1_000_000 };
export const UNLIMITED = { maxBandwidthBytesPerSecond: 0, revision: 1 };
/** With the policy's gate, once all is copied. */
const GATED = { switchover: { mode: "gated" } };

export const guestOf = (host: TestHost) => host.guests.get(host.vm(VM));

/** The copy of the disk that the guest writes to has begun, and has not ended. */
export async function copying(pair: CopyPair, start: { silenceMs?: number } = {}): Promise<void> {
  await pair.begin(SLOW, start);
  await vi.waitFor(async () => {
    const jobs = await guestOf(pair.source).qmp.execute("query-block-jobs");
    const job = jobs.find(({ device }) => device === copyJob(0));
    expect(job?.offset).toBeGreaterThan(0);
    expect(job?.ready).toBe(false);
  }, PATIENCE);
}

/** All is copied; the guest runs on until the permit. */
export async function held(pair: CopyPair, start: { silenceMs?: number } = {}): Promise<void> {
  await pair.begin(GATED, { gate: {}, ...start });
  await pair.source.waitFor("migration.held", 90_000);
}

/** The guest is stopped, and the jobs are about to end. */
async function switching(pair: CopyPair, start: { silenceMs?: number } = {}): Promise<void> {
  pair.holdSwitchover();
  await pair.begin({}, start);
  await pair.source.waitFor("migration.stopped", 90_000);
}

/** Lets a migration go on that a test has held in a phase. */
export async function release(pair: CopyPair, reach: typeof copying): Promise<void> {
  pair.letSwitchOver();
  if (reach === copying) await pair.source.run("source.set", VM, UNLIMITED, pair.identity);
  await pair.source.run("source.permit", VM, {}, pair.identity);
}

export const phases = [
  ["while the disk is copied", copying],
  ["while all is copied and held", held],
  ["while the guest is stopped", switching],
] as const;

/** The guest runs here, nothing of the copy is in its QEMU, and its image is sound. */
export async function runsAtSource(pair: CopyPair): Promise<void> {
  await pair.hasWritten(pair.source);
  const { qmp } = guestOf(pair.source);
  await vi.waitFor(async () => {
    expect(await qmp.execute("query-block-jobs")).toEqual([]);
    const nodes = await qmp.execute("query-named-block-nodes", { flat: true });
    const names = nodes.map((node) => node["node-name"]);
    expect(names.filter((name) => name?.startsWith("switchyard"))).toEqual([]);
    expect(nodes.flatMap((node) => node["dirty-bitmaps"] ?? [])).toEqual([]);
  }, PATIENCE);
}

/** What of a frozen target is noticed first differs. */
export const FROZEN = /^disk-not-copied: |No byte of the stream|have not ended within/;

export async function targetIsEmpty(pair: CopyPair): Promise<void> {
  await pair.target.run("target.discard", VM, {}, pair.identity);
  expect(pair.images(pair.target)).toEqual([]);
  expect(existsSync(pair.serial(pair.target))).toBe(false);
}

/** As the way back does it, from whatever both sides are found in. */
export async function failed(pair: CopyPair): Promise<string> {
  const { body } = await pair.source.waitFor("migration.failed", 90_000);
  return `${body.code}: ${body.errorDescription}`;
}
