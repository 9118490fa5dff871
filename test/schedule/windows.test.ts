import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { metricsText } from "../../functions/service/read-metrics.ts";
import { windowHandlers } from "../../functions/task/tasks.ts";
import { StartWatch } from "../evacuation/testing/start-watch.ts";
import { operate } from "../functions/testing/fleet.ts";
import { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { DAY_MS, Nights, UNIT_MS } from "./testing/nights.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const watch = new StartWatch();
let harness: EvacuationHarness;
let nights: Nights;
beforeAll(async () => {
  harness = await EvacuationHarness.start({ observe: watch.observe });
  nights = new Nights(harness);
});
afterEach(() => {
  expect(watch.starts).toBeGreaterThan(0);
  expect(watch.faults).toEqual([]);
});
afterAll(() => harness?.close());

const reasons = (evacuation: { pauses: { reason: string }[] }) =>
  evacuation.pauses.map(({ reason }) => reason).toSorted();
/** The next night, in units after the first start. */
const NEXT = DAY_MS / UNIT_MS;
const tomorrow = () => new Date(nights.startMs + DAY_MS).toISOString();

describe("case 23: this window and the next one", () => {
  it("has one evacuation, however often its start is delivered and whatever changes beside it", async () => {
    const { a = "" } = await nights.fleet({ a: 3, b: 0 }, 30);
    const { id } = await nights.schedule([a], 120);
    await nights.runTo(1);
    const startsAt = new Date(nights.startMs).toISOString();
    const again = await windowHandlers["open-window"]({ schedule: id, startsAt });
    expect(again).toMatchObject({ outcome: "started", deliveries: 2 });
    await nights.runTo(40);
    await operate("PATCH", `/v1/hosts/${a}`, { labels: { rack: "8" } });
    await nights.runTo(42);
    const shown = await nights.show(id);
    expect(shown.current).toMatchObject({ startsAt });
    expect(shown.next[0]?.startsAt).toBe(tomorrow());
    expect(shown.runs).toMatchObject([{ startsAt, outcome: "started", deliveries: 2 }]);
    const counted = 'switchyard_schedule_windows_total{outcome="started"} 1';
    expect((await metricsText()).split("\n")).toContain(counted);
    const running = await nights.evacuation(id);
    expect(running).toMatchObject({ status: "running", schedule: { id, startsAt }, pauses: [] });
    await nights.runTo(91);
    expect(await nights.evacuation(id)).toMatchObject({
      status: "completed",
      counters: { moved: 3 },
    });
    expect(nights.times()).toEqual([
      [0, 30],
      [30, 60],
      [60, 90],
    ]);
    expect(await harness.leftovers(shown.evacuation ?? "")).toEqual([]);
  });

  it("ends earlier once its duration was edited, and the rest goes on in the next one", async () => {
    const { a = "" } = await nights.fleet({ a: 3, b: 0 }, 30);
    const { id } = await nights.schedule([a], 120);
    await nights.runTo(20);
    const edited = await operate("PATCH", `/v1/schedules/${id}`, { durationMs: 30 * UNIT_MS });
    expect(edited.status).toBe(200);
    await nights.runTo(31);
    const paused = await nights.evacuation(id);
    expect(paused).toMatchObject({ status: "paused", counters: { moved: 1, waiting: 2 } });
    expect(paused.pauses).toMatchObject([
      { reason: "window-end", author: id, endsWith: `it goes on by itself at ${tomorrow()}` },
    ]);
    await nights.runTo(NEXT + 1);
    expect(nights.times().slice(0, 2)).toEqual([
      [0, 30],
      [NEXT, undefined],
    ]);
    expect((await nights.show(id)).runs).toMatchObject([
      { outcome: "continued", evacuation: paused.id },
      { outcome: "started", evacuation: paused.id },
    ]);
    await operate("POST", `/v1/evacuations/${paused.id}/cancel`, {});
    await nights.runTo(NEXT + 40);
  });

  it("moves with its start: the former one opens nothing, and the engine has one start", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const { id } = await nights.schedule([a], 120);
    const former = new Date(nights.startMs).toISOString();
    await nights.runTo(-60);
    const LATER = (150 * 60_000) / UNIT_MS;
    const starts = { cron: "30 0 * * *", zone: "UTC" };
    expect((await operate("PATCH", `/v1/schedules/${id}`, { starts })).status).toBe(200);
    expect(await nights.engine(id)).toHaveLength(1);
    await nights.runTo(1);
    const stale = await windowHandlers["open-window"]({ schedule: id, startsAt: former });
    expect(stale).toEqual({ outcome: "outdated" });
    const shown = await nights.show(id);
    expect(shown).toMatchObject({ runs: [] });
    expect(shown.evacuation).toBeUndefined();
    expect(Date.parse(shown.next[0]?.startsAt ?? "")).toBe(nights.startMs + LATER * UNIT_MS);
    await nights.runTo(LATER + 20);
    expect(await nights.evacuation(id)).toMatchObject({ status: "completed" });
    expect(nights.times()).toEqual([[LATER, LATER + 10]]);
  });
});

describe("case 3: two pauses, two authors", () => {
  async function begin() {
    const { a = "" } = await nights.fleet({ a: 4, b: 0 }, 10);
    const { id } = await nights.schedule([a], 25, { spread: true });
    await nights.runTo(5);
    const { evacuation = "" } = await nights.show(id);
    await harness.act(evacuation, "pause", { by: "bob", message: "ticket 7" });
    await nights.runTo(30);
    const paused = await harness.read(evacuation);
    expect(reasons(paused)).toEqual(["operator", "window-end"]);
    return evacuation;
  }

  it("a window that opens lifts its own pause only", async () => {
    const id = await begin();
    await nights.runTo(NEXT + 5);
    const waiting = await harness.read(id);
    expect(waiting.pauses).toMatchObject([{ author: "bob", message: "ticket 7" }]);
    await nights.runTo(NEXT + 10);
    await harness.act(id, "resume", { by: "bob" });
    await nights.runTo(NEXT + 21);
    expect(nights.times()).toEqual([
      [0, 10],
      [NEXT + 10, NEXT + 20],
    ]);
    expect(reasons(await harness.read(id))).toEqual(["window-end"]);
    await harness.act(id, "cancel", { by: "bob" });
    await nights.runTo(NEXT + 25);
  });

  it("a person's resume does not open the window", async () => {
    const id = await begin();
    await nights.runTo(50);
    await harness.act(id, "resume", { by: "bob" });
    await nights.runTo(51);
    const waiting = await harness.read(id);
    expect(reasons(waiting)).toEqual(["window-end"]);
    expect(waiting.pauses[0]?.endsWith).toBe(`it goes on by itself at ${tomorrow()}`);
    await nights.runTo(NEXT + 24);
    expect(nights.times()).toEqual([
      [0, 10],
      [NEXT, NEXT + 10],
      [NEXT + 10, NEXT + 20],
    ]);
    await harness.act(id, "cancel", { by: "bob" });
    await nights.runTo(NEXT + 25);
  });
});

describe("case 14: the cut-off", () => {
  it.each([
    ["exactly at it a guest still starts", 30, [[45, 60]]],
    ["a minute later it waits for the next window", 31, [[NEXT, NEXT + 15]]],
  ])("%s", async (_, freeAt, expected) => {
    const { a = "", b = "" } = await nights.fleet({ a: 1, b: 0, c: 1 }, 15);
    const { id } = await nights.schedule([a], 60, { spread: true });
    // A foreign move holds the only slot of the target until 15 minutes after `freeAt`.
    await nights.runTo(-1);
    const c = harness.vm("c1");
    await operate("POST", `/v1/hosts/${[...harness.guests.places.values()][1]}/cordon`, {});
    harness.guests.courses.set(c, ["held"]);
    await operate("POST", "/v1/migrations", { vm: c, target: b });
    nights.moved.set(c, { fromMs: 0 });
    await nights.runTo(freeAt + 15);
    await harness.guests.release(c);
    await nights.runTo(NEXT + 20);
    nights.moved.delete(c);
    expect(nights.times()).toEqual(expected);
    expect(await nights.evacuation(id)).toMatchObject({ status: "completed" });
  });
});
