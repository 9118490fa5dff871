import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { scheduledHandlers, windowHandlers } from "../../functions/task/tasks.ts";
import { operate } from "../functions/testing/fleet.ts";
import { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { DAY_MS, Nights, planFor, UNIT_MS } from "./testing/nights.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let harness: EvacuationHarness;
let nights: Nights;
/** The write to the table that fails; 0: none does. */
let failsAt = 0;
let writes = 0;

beforeAll(async () => {
  harness = await EvacuationHarness.start({
    observe: (service, transport) => ({
      handle: async (request) => {
        const target = request.headers["x-amz-target"] ?? "";
        if (service === "DYNAMODB" && /Put|Update|Delete|Write/.test(target)) {
          writes += 1;
          if (writes === failsAt) throw new Error("the process dies here");
        }
        return transport.handle(request);
      },
    }),
  });
  nights = new Nights(harness);
});
afterAll(() => harness?.close());

const openWindow = windowHandlers["open-window"];
const first = () => new Date(nights.startMs).toISOString();

async function evacuationsOf(schedule: string): Promise<string[]> {
  const rows = await harness.plane.scan();
  return rows.flatMap(({ pk, sk, schedule: by }) => {
    const isOne = sk === "META" && (by as { id?: string } | undefined)?.id === schedule;
    return isOne ? [String(pk).slice("EVAC#".length)] : [];
  });
}

describe("a window is opened once", () => {
  it("when its start is delivered twice at once, and once more", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const { id } = await nights.schedule([a], 60);
    const input = { schedule: id, startsAt: first() };
    await nights.runTo(-1);
    harness.clock.moveTo(nights.startMs);
    vi.setSystemTime(nights.startMs);
    await Promise.all([openWindow(input), openWindow(input)]);
    expect(await openWindow(input)).toMatchObject({ outcome: "started" });
    expect(await evacuationsOf(id)).toHaveLength(1);
    expect(await nights.engine(id)).toHaveLength(1);
    await nights.runTo(12);
    expect(await nights.evacuation(id)).toMatchObject({ status: "completed" });
    expect(nights.times()).toEqual([[0, 10]]);
  });

  it("wherever a delivery dies, by the next one", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    let died = true;
    for (let at = 1; died && at < 30; at += 1) {
      const { id } = await nights.schedule([a], 60);
      // A delivery may be a little early; then nothing moves yet.
      await nights.runTo(-2);
      const input = { schedule: id, startsAt: first() };
      writes = 0;
      failsAt = at;
      died = await openWindow(input).then(
        () => false,
        () => true,
      );
      failsAt = 0;
      expect(await openWindow(input)).toMatchObject({ outcome: "started" });
      const found = await evacuationsOf(id);
      expect(found).toHaveLength(1);
      expect(await nights.show(id)).toMatchObject({ evacuation: found[0], runs: [{}] });
      expect(await nights.engine(id)).toHaveLength(1);
      await operate("POST", `/v1/evacuations/${found[0]}/cancel`, {});
      await harness.end(found[0] ?? "");
      expect((await operate("DELETE", `/v1/schedules/${id}`)).status).toBe(204);
      expect(await nights.engine(id)).toEqual([]);
    }
    expect(died).toBe(false);
  });
});

describe("case 42: missed windows", () => {
  it("are one line, the open one is entered late, and it ends at its end", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const starts = { cron: "0 * * * *", zone: "UTC" };
    const { id } = await nights.schedule([a], 30, { starts });
    const missed = 24 * 150;
    // Nobody runs meanwhile: neither the engine nor the sweep.
    const back = nights.startMs + missed * 3_600_000 + 10 * UNIT_MS;
    await nights.stop(id, back);
    const swept = (await scheduledHandlers.sweep({})) as { schedules: object[] };
    expect(swept.schedules).toContainEqual({ id, outcome: "opened" });
    const shown = await nights.show(id);
    expect(shown.missed).toMatchObject({ first: first(), count: missed, isAtLeast: false });
    expect(shown.runs).toMatchObject([{ outcome: "started", lateMs: 10 * UNIT_MS }]);
    expect(shown.next[0]?.startsAt).toBe(
      new Date(nights.startMs + (missed + 1) * 3_600_000).toISOString(),
    );
    const [open] = (await nights.evacuation(id)).openTimes ?? [];
    expect(Date.parse(open?.until ?? "")).toBe(back + 20 * UNIT_MS);
    await nights.runTo((back - nights.startMs) / UNIT_MS + 12);
    expect(await nights.evacuation(id)).toMatchObject({ status: "completed" });
    expect(await evacuationsOf(id)).toHaveLength(1);
  });
});

describe("a change freeze", () => {
  it("holds what no schedule has started, too, and lets it go on by itself", async () => {
    const { a = "" } = await nights.fleet({ a: 3, b: 0 }, 10);
    const { id } = await harness.begin([a], { options: planFor(10) });
    nights.startMs = harness.clock.now();
    await nights.runTo(1);
    const at = (units: number) =>
      new Date(Math.ceil((nights.startMs + units * UNIT_MS) / 60_000) * 60_000)
        .toISOString()
        .slice(0, 16);
    const freeze = { from: at(12), until: at(60), zone: "UTC", owner: "ops", message: "fair" };
    expect((await operate("POST", "/v1/change-freezes", freeze)).status).toBe(201);
    await nights.runTo(30);
    const held = await harness.read(id);
    expect(held).toMatchObject({ status: "paused", counters: { moved: 1, waiting: 2 } });
    expect(held.pauses).toMatchObject([
      { reason: "freeze", message: "ops: fair", endsWith: expect.stringContaining("by itself at") },
    ]);
    await nights.runTo(90);
    expect(await harness.read(id)).toMatchObject({ status: "completed", counters: { moved: 3 } });
    const [, second] = nights.times();
    expect(nights.startMs + (second?.[0] ?? 0) * UNIT_MS).toBeGreaterThanOrEqual(
      Date.parse(`${freeze.until}:00Z`) - UNIT_MS,
    );
  });

  it("that is deleted once more lets go whatever the first request had not told", async () => {
    const { a = "" } = await harness.fleet({ a: 2, b: 0 }, { slotsOut: 1, slotsIn: 1 });
    for (const name of ["a1", "a2"]) {
      harness.guests.courses.set(harness.vm(name), ["held", "completes"]);
    }
    const { id } = await harness.begin([a]);
    await harness.until(id, ({ counters }) => counters.moving === 1);
    const day = { from: "2020-01-01T00:00", until: "2120-01-01T00:00", zone: "UTC", owner: "ops" };
    for (let dies = true, write = 1; dies; write += 1) {
      const { body: freeze } = await operate("POST", "/v1/change-freezes", day);
      await harness.until(id, ({ status }) => status === "paused");
      writes = 0;
      failsAt = write;
      await operate("DELETE", `/v1/change-freezes/${freeze.id}`).catch(() => undefined);
      dies = writes >= write;
      failsAt = 0;
      await operate("DELETE", `/v1/change-freezes/${freeze.id}`);
      // A step that has died is done again.
      await harness.runTo(harness.clock.now() + 30_000);
      expect(await harness.read(id)).toMatchObject({ status: "running", pauses: [] });
    }
    expect(await harness.end(id, () => harness.guests.releaseAll())).toMatchObject({
      status: "completed",
      counters: { moved: 2 },
    });
  });

  it("case 17: a host that is uncordoned before its turn is left alone afterwards", async () => {
    const { a = "" } = await nights.fleet({ a: 2, b: 0 }, 10);
    const minute = (ms: number) => new Date(ms).toISOString().slice(0, 16);
    const nowMs = harness.clock.now();
    const freeze = {
      from: minute(nowMs),
      until: minute(nowMs + DAY_MS),
      zone: "UTC",
      owner: "ops",
    };
    const { body } = await operate("POST", "/v1/change-freezes", freeze);
    const { id } = await harness.begin([a], { options: planFor(10) });
    nights.startMs = nowMs;
    await nights.runTo(1);
    await operate("POST", `/v1/hosts/${a}/uncordon`, { owner: "bob", message: "back" });
    await nights.runTo(2);
    expect(await harness.read(id)).toMatchObject({
      status: "cancelled",
      endedBy: { action: "uncordon", author: "bob", message: "back" },
      counters: { moved: 0, skipped: 2 },
    });
    await operate("DELETE", `/v1/change-freezes/${body.id}`);
    await nights.runTo(20);
    expect(nights.times()).toEqual([]);
    expect((await operate("GET", `/v1/hosts/${a}`)).body).toMatchObject({ state: "active" });
  });

  it("that is deleted lets go at once", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const now = new Date(harness.clock.now()).toISOString().slice(0, 16);
    const until = new Date(harness.clock.now() + DAY_MS).toISOString().slice(0, 16);
    const freeze = { from: now, until, zone: "UTC", owner: "ops" };
    const { body } = await operate("POST", "/v1/change-freezes", freeze);
    const { id } = await harness.begin([a], { options: planFor(10) });
    nights.startMs = harness.clock.now();
    await nights.runTo(1);
    expect((await harness.read(id)).pauses).toMatchObject([{ reason: "freeze" }]);
    expect((await operate("DELETE", `/v1/change-freezes/${body.id}`)).status).toBe(204);
    expect((await operate("DELETE", `/v1/change-freezes/${body.id}`)).status).toBe(404);
    await nights.runTo(15);
    expect(await harness.read(id)).toMatchObject({ status: "completed" });
  });
});

describe("a schedule", () => {
  it("whose window could not hold the moves is refused, unless it is spread", async () => {
    const { a = "" } = await nights.fleet({ a: 3, b: 0 }, 30);
    const wanted = {
      name: "too short",
      starts: { cron: "0 22 * * *", zone: "UTC" },
      // Less than the longest move takes: the lower bound of any plan.
      durationMs: 20 * UNIT_MS,
      hosts: { ids: [a] },
      options: planFor(30),
    };
    const refused = await operate("POST", "/v1/schedules", wanted);
    expect(refused).toMatchObject({ status: 409, body: { code: "plan-refused" } });
    expect(JSON.stringify(refused.body.blockers)).toContain("window-too-short");
    const spread = await operate("POST", "/v1/schedules?dryRun=true", { ...wanted, spread: true });
    expect(spread).toMatchObject({ status: 200, body: { preview: { hosts: [a], moves: 3 } } });
    expect(JSON.stringify(spread.body)).toContain("windows or more");
  });

  it("takes hosts by what they need when the window opens, and leaves the others alone", async () => {
    const { a = "", b = "", c = "" } = await nights.fleet({ a: 1, b: 1, c: 0 }, 10);
    for (const host of [a, b]) {
      await operate("PATCH", `/v1/hosts/${host}`, { labels: { rack: host, patched: "no" } });
    }
    const hosts = { ids: [a, b, c], needs: [{ label: "patched", is: "no" }] };
    const { id } = await nights.schedule([], 60, { hosts, approval: { approvers: 1 } });
    await operate("PATCH", `/v1/hosts/${b}`, { labels: { patched: "yes" } });
    await nights.runTo(1);
    const planned = await nights.evacuation(id);
    expect(planned).toMatchObject({ status: "planned", hosts: [{ host: a }] });
    expect((await operate("DELETE", `/v1/schedules/${id}`)).body.code).toBe("schedule-in-use");
    await harness.act(planned.id, "approve", { version: 1, by: "bob" });
    await nights.runTo(15);
    expect(await nights.evacuation(id)).toMatchObject({ status: "completed" });
    await operate("PATCH", `/v1/hosts/${a}`, { labels: { patched: "yes" } });
    await nights.runTo(DAY_MS / UNIT_MS + 1);
    const [run] = (await nights.show(id)).runs ?? [];
    expect(run).toMatchObject({ outcome: "nothing-to-do" });
    expect(run?.reason).toContain(`${b}: Its label patched is yes`);
  });

  it("that is paused opens nothing, has no start in the engine, and missed nothing", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const { id } = await nights.schedule([a], 60);
    const by = { by: "ada", message: "ticket 7" };
    const paused = await operate("POST", `/v1/schedules/${id}/pause`, by);
    expect(paused.body).toMatchObject({ paused: { author: "ada" }, next: [] });
    expect(await nights.engine(id)).toEqual([]);
    await nights.runTo(5);
    expect(await openWindow({ schedule: id, startsAt: first() })).toEqual({ outcome: "paused" });
    await operate("POST", `/v1/schedules/${id}/resume`);
    const shown = await nights.show(id);
    expect(shown).toMatchObject({ runs: [] });
    expect(shown.missed ?? shown.evacuation).toBeUndefined();
    expect(await nights.engine(id)).toHaveLength(1);
  });
});
