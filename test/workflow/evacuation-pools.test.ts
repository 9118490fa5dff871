import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** One in transfer, and two prepared behind it. */
const POOLS = { slotsOut: 1, slotsIn: 1, prepareAhead: 2 };
let harness: EvacuationHarness;

beforeAll(async () => {
  harness = await EvacuationHarness.start();
});
afterAll(() => harness?.close());

/** Begins to empty a host of five guests, whose transfers are held. */
async function begin(): Promise<Evacuation> {
  const { a = "" } = await harness.fleet({ a: 5, b: 0 }, POOLS);
  for (let vm = 1; vm <= 5; vm += 1) harness.guests.courses.set(harness.vm(`a${vm}`), ["held"]);
  const evacuation = await harness.begin([a]);
  await harness.runUntilIdle();
  return evacuation;
}

/** Lets the held transfers complete, one after the other. */
async function releaseAll(): Promise<boolean> {
  const { held } = harness.guests;
  expect(held.length).toBeLessThanOrEqual(1);
  for (const vm of held) await harness.guests.release(vm);
  return held.length > 0;
}

async function expectEnd(id: string, counters: object, triesMax = 1): Promise<void> {
  const ended = await harness.end(id, releaseAll);
  expect(ended.counters).toMatchObject(counters);
  expect(harness.guests.hasRunTwice).toBe(false);
  expect(await harness.leftovers(id)).toEqual([]);
  // What was held back is no try.
  expect((await harness.moves(id)).every(({ tries }) => tries.length <= triesMax)).toBe(true);
}

describe("an evacuation of hosts with one slot and two places", () => {
  it("prepares two moves while one sends", async () => {
    const { id } = await begin();
    expect(harness.guests.held).toHaveLength(1);
    expect((await harness.read(id)).counters).toMatchObject({ moving: 3, waiting: 2 });
    expect(harness.calls.filter((state) => state === "AwaitSlots")).toHaveLength(2);
    await expectEnd(id, { moved: 5 });
  });

  it("ends the prepared targets when it is paused, and prepares them again", async () => {
    const { id } = await begin();
    await harness.act(id, "pause", { by: "ada" });
    await harness.runUntilIdle();
    expect((await harness.read(id)).counters).toMatchObject({ moving: 1, waiting: 4 });
    // The transfer in flight ends, and none begins.
    await releaseAll();
    await harness.runUntilIdle();
    expect(harness.guests.held).toEqual([]);
    expect((await harness.read(id)).counters).toMatchObject({ moved: 1, moving: 0, waiting: 4 });
    await harness.act(id, "resume", { by: "ada" });
    await expectEnd(id, { moved: 5 });
  });

  it("ends the prepared targets when it is cancelled", async () => {
    const { id } = await begin();
    await harness.act(id, "cancel", { by: "ada" });
    await expectEnd(id, { moved: 1, skipped: 4 });
  });

  it("rolls back with its places, too", async () => {
    const { id } = await begin();
    await expectEnd(id, { moved: 5 });
    await harness.act(id, "rollback", { by: "ada" });
    await expectEnd(id, { moved: 5 }, 2);
  });

  it("lets nothing begin when a pause is written and its step has not come yet", async () => {
    const { id } = await begin();
    harness.intercept = (state, call) => (state === "Advance" ? harness.hang() : call());
    await harness.act(id, "pause", { by: "ada" });
    await releaseAll();
    await harness.runUntilIdle();
    expect(harness.guests.held).toEqual([]);
    harness.intercept = (_, call) => call();
    await harness.act(id, "resume", { by: "ada" });
    await expectEnd(id, { moved: 5 });
  });
});
