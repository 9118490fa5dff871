import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import { EvacuationId } from "../../core/id.ts";
import { readSums } from "../../functions/store/counters.ts";
import { findEvacuation } from "../../functions/store/evacuations.ts";
import { operate } from "../functions/testing/fleet.ts";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";
import { faults, faultsOf } from "./testing/faults.ts";
import { stopExecutions, sweep } from "./testing/lost-executions.ts";

let harness: EvacuationHarness;

beforeAll(async () => {
  harness = await EvacuationHarness.start();
});
afterAll(() => harness?.close());

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** What holds after every end: each guest ran in one place, and nothing is held. */
async function expectSound({ id }: Evacuation): Promise<void> {
  expect(harness.guests.hasRunTwice).toBe(false);
  expect(await harness.leftovers(id)).toEqual([]);
}

const places = () => [...harness.guests.places.values()];

describe("an evacuation moves each guest once, and leaves its host empty and cordoned, when", () => {
  it("nothing fails", async () => {
    const { a = "", b = "" } = await harness.fleet({ a: 4, b: 0 });
    const { id } = await harness.begin([a]);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "completed",
      counters: { total: 4, moved: 4 },
      hosts: [{ host: a, state: "emptied", left: 0 }],
    });
    expect(places()).toEqual([b, b, b, b]);
    await expectSound(ended);
  });

  it("predicts its end by the time with slots: guests are prepared ahead", async () => {
    const takesMs: Record<string, number> = { Negotiate: 5_000, Complete: 2_000 };
    const { a = "" } = await harness.fleet({ a: 2, b: 0 }, { slotsOut: 1, slotsIn: 1 });
    harness.intercept = (state, call) => {
      harness.clock.moveTo(harness.clock.now() + (takesMs[state] ?? 0));
      vi.setSystemTime(harness.clock.now());
      return call();
    };
    const { id } = await harness.begin([a]);
    await harness.end(id);
    const tries = (await harness.moves(id)).flatMap((move) => move.tries);
    expect(tries).toHaveLength(2);
    const times = tries.map(({ ms = 0, slotMs = 0 }) => ({ ms, slotMs }));
    for (const { ms, slotMs } of times) {
      expect(slotMs).toBeGreaterThanOrEqual(2_000);
      expect(ms - slotMs).toBeGreaterThanOrEqual(5_000);
    }
    const work = (await findEvacuation(EvacuationId.parse(id)))?.work;
    expect(work).toMatchObject({
      moves: 2,
      realMs: times.reduce((sum, { slotMs }) => sum + slotMs, 0),
    });
  });

  it.each(faultsOf(["Advance", "AwaitChange"]))("the function of %s %s", async (state, fault) => {
    const { a = "" } = await harness.fleet({ a: 3, b: 0 }, { slotsOut: 1, slotsIn: 1 });
    const before = await countedEnds();
    const { id } = await harness.begin([a]);
    harness.intercept = faultOf(fault, state);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { total: 3, moved: 3 } });
    const after = await countedEnds();
    expect(after).toEqual(before.map((count) => count + 1));
    expect(ended.eta.halfwayEndMs).toEqual(expect.any(Number));
    expect((await harness.moves(id)).map(({ tries }) => tries.length)).toEqual([1, 1, 1]);
    expect(harness.faultsInjected).toBeGreaterThan(0);
    await expectSound(ended);
  });

  it("its execution is lost while a guest is in flight, and a sweep starts another", async () => {
    const { a = "" } = await harness.fleet({ a: 2, b: 0 }, { slotsOut: 1, slotsIn: 1 });
    harness.guests.courses.set(harness.vm("a1"), ["held"]);
    const { id } = await harness.begin([a]);
    await harness.until(id, ({ counters }) => counters.moving === 1);
    await stopEvacuation(id);
    const swept = await sweep();
    expect(swept.evacuations).toEqual([{ id, outcome: "started" }]);
    await harness.guests.release(harness.vm("a1"));
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 2 } });
    await expectSound(ended);
  });
});

describe("a guest that fails", () => {
  it("is tried again after a pause, and the others go on meanwhile", async () => {
    const { a = "" } = await harness.fleet({ a: 3, b: 0 }, { slotsOut: 1, slotsIn: 1 });
    harness.guests.courses.set(harness.vm("a1"), ["breaks", "completes"]);
    const { id } = await harness.begin([a]);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3 } });
    const tried = (await harness.moves(id)).find(({ vm }) => vm === harness.vm("a1"));
    expect(tried?.tries).toMatchObject([{ code: "migration-failed", class: "transient" }, {}]);
    await expectSound(ended);
  });

  it("three times stays where it is, running and unlocked, and keeps its host from empty", async () => {
    const { a = "" } = await harness.fleet({ a: 2, b: 0 });
    harness.guests.courses.set(harness.vm("a1"), ["breaks"]);
    const { id } = await harness.begin([a]);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      counters: { moved: 1, failed: 1 },
      hosts: [{ state: "kept" }],
    });
    // Nobody empties it any more: returning the host gives the cordon back.
    const host = await operate("GET", `/v1/hosts/${a}`);
    expect(host.body).toMatchObject({ state: "cordoned", cordons: [{ owner: id }] });
    const [move] = await harness.moves(id);
    expect(move).toMatchObject({ state: "failed", reason: expect.stringMatching(/broke/) });
    expect(move?.tries).toHaveLength(3);
    expect(move?.cure).toBeTruthy();
    expect(harness.guests.places.get(harness.vm("a1"))).toBe(a);
    await expectSound(ended);
  });

  it("because no host takes it stays, with the reason, after each host was tried once", async () => {
    const { a = "" } = await harness.fleet({ a: 2, b: 0, c: 0 });
    harness.guests.courses.set(harness.vm("a1"), ["refused"]);
    const tolerance = { newTargets: true };
    const { id } = await harness.begin([a], { tolerance });
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      counters: { moved: 1, unplaced: 1 },
    });
    expect(ended.version).toBeGreaterThan(1);
    const [move] = await harness.moves(id);
    expect(move?.tries.map(({ target }) => target).toSorted()).toEqual(
      harness.guests.agents.map(({ host }) => host).slice(1),
    );
    expect(move?.reason).toMatch(/target-refused/);
    await expectSound(ended);
  });

  it("beyond the error budget pauses it, until a person resumes", async () => {
    const { a = "" } = await harness.fleet({ a: 3, b: 0 }, { slotsOut: 1, slotsIn: 1 });
    for (const name of ["a1", "a2", "a3"]) {
      harness.guests.courses.set(harness.vm(name), ["breaks"]);
    }
    const { id } = await harness.begin([a], { limits: { errorBudget: 0 } });
    const held = await harness.until(id, ({ status }) => status === "paused");
    expect(held).toMatchObject({
      counters: { failed: 1, moving: 0 },
      pauses: [{ reason: "error-budget", author: "switchyard" }],
    });
    harness.guests.courses.clear();
    await harness.act(id, "resume", { by: "ada" });
    expect(await harness.end(id)).toMatchObject({ counters: { moved: 2, failed: 1 } });
  });
});

function faultOf(fault: keyof typeof faults, state: string) {
  return faults[fault](harness, state);
}

/** What the metrics have of completed evacuations. */
async function countedEnds(): Promise<number[]> {
  const sums = await readSums();
  return [
    'switchyard_evacuations_total{outcome="completed"}',
    "switchyard_evacuation_makespan_ratio_count",
  ].map((name) => sums.get(name) ?? 0);
}

/** Stops the executions of an evacuation, as a lost journal would. */
async function stopEvacuation(id: string): Promise<void> {
  await stopExecutions(id, process.env.EVACUATION_STATE_MACHINE_ARN);
}
