import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { SKIPPED_MAX } from "../../core/schedule/schedule.ts";
import { scheduledHandlers, windowHandlers } from "../../functions/task/tasks.ts";
import { operate } from "../functions/testing/fleet.ts";
import { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { DAY_MS, Nights, UNIT_MS } from "./testing/nights.ts";

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
const by = { by: "bob", message: "ticket 8" };
const post = (id: string, verb: string, body: object = by) =>
  operate("POST", `/v1/schedules/${id}/${verb}`, body);
const night = (count: number) => new Date(nights.startMs + count * DAY_MS).toISOString();
const refused = (code: string) => ({ status: 409, body: { code } });

describe("a window that is skipped", () => {
  it("does not open, the next one does, and nothing was missed", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const { id } = await nights.schedule([a], 60);
    const first = { ...by, startsAt: night(0) };
    const { status, body } = await post(id, "skip", first);
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { skipped: [{ startsAt: night(0), author: "bob", message: "ticket 8" }] },
    });
    expect((await nights.show(id)).next[0]).toMatchObject({ startsAt: night(1) });
    expect((await post(id, "skip", { ...first, message: "again" })).body.skipped).toEqual(
      body.skipped,
    );
    const engineName = `${id}-${night(1).replace(/\.\d+|[-:]/g, "")}`;
    expect(await nights.engine(id)).toEqual([engineName]);
    await nights.runTo(1);
    // A start of before is delivered all the same.
    expect(await openWindow({ schedule: id, startsAt: night(0) })).toEqual({ outcome: "outdated" });
    // The sweep tells of schedules for which it has done something.
    expect(await scheduledHandlers.sweep({})).toMatchObject({ schedules: [] });
    const after = await nights.show(id);
    expect(after).toMatchObject({ runs: [] });
    expect([after.current, after.missed, after.skipped, after.evacuation]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    await nights.runTo(DAY_MS / UNIT_MS + 12);
    expect(await nights.evacuation(id)).toMatchObject({ status: "completed" });
  });

  it("opens after all when that is undone, until its start", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const { id } = await nights.schedule([a], 60);
    await post(id, "skip", { startsAt: night(0) });
    await post(id, "skip", { startsAt: night(1) });
    const undone = await post(id, "unskip", { startsAt: night(1) });
    expect(undone.body).toMatchObject({ skipped: [{ startsAt: night(0) }] });
    expect((await post(id, "unskip", { startsAt: night(1) })).status).toBe(200);
    await nights.runTo(1);
    expect(await post(id, "unskip", { startsAt: night(0) })).toMatchObject(
      refused("no-such-window"),
    );
    expect((await nights.show(id)).next[0]).toMatchObject({ startsAt: night(1) });
  });

  it("closes an evacuation that would go on in it", async () => {
    const { a = "" } = await nights.fleet({ a: 3, b: 0 }, 10);
    const { id } = await nights.schedule([a], 25, { spread: true });
    await nights.runTo(30);
    const left = await nights.evacuation(id);
    expect(left).toMatchObject({ status: "paused", counters: { moved: 2, waiting: 1 } });
    expect(left.pauses[0]?.endsWith).toContain(night(1));
    await post(id, "skip", { startsAt: night(1) });
    const skipped = await nights.evacuation(id);
    expect(skipped.openTimes?.[0]).toMatchObject({ from: night(2) });
    await nights.runTo(DAY_MS / UNIT_MS + 15);
    expect(await nights.evacuation(id)).toMatchObject({ counters: { moved: 2, waiting: 1 } });
    await nights.runTo((2 * DAY_MS) / UNIT_MS + 15);
    expect(await nights.evacuation(id)).toMatchObject({ status: "completed" });
  });

  it("is one of those to come, and not one of too many", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const { id } = await nights.schedule([a], 60);
    const never = { startsAt: new Date(nights.startMs + 1).toISOString() };
    expect(await post(id, "skip", never)).toMatchObject(refused("no-such-window"));
    for (let count = 1; count <= SKIPPED_MAX; count += 1) {
      expect((await post(id, "skip", { startsAt: night(count) })).status).toBe(200);
    }
    const more = { startsAt: night(SKIPPED_MAX + 1) };
    expect(await post(id, "skip", more)).toMatchObject(refused("too-many-skips"));
    // Of other times nothing is skipped.
    const starts = { cron: "0 21 * * *", zone: "UTC" };
    const changed = await operate("PATCH", `/v1/schedules/${id}`, { starts });
    expect(changed.body.skipped).toBeUndefined();
    await nights.runTo(1);
    const begun = { startsAt: (await nights.show(id)).next[0]?.startsAt ?? "" };
    await nights.runTo((Date.parse(begun.startsAt) - nights.startMs) / UNIT_MS + 1);
    expect(await post(id, "skip", begun)).toMatchObject(refused("no-such-window"));
  });
});

describe("a window that a person opens", () => {
  it("empties the hosts now, once, and ends as every other one", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const { id } = await nights.schedule([a], 60);
    const dry = await operate("POST", `/v1/schedules/${id}/run?dryRun=true`, by);
    expect(dry).toMatchObject({ status: 200, body: { dryRun: true, preview: { hosts: [a] } } });
    expect((await nights.show(id)).runs).toEqual([]);
    const [ran, again] = await Promise.all([post(id, "run"), post(id, "run")]);
    expect([ran.status, again.status]).toEqual([200, 200]);
    const { extra, current, evacuation, runs, next } = await nights.show(id);
    expect(extra).toMatchObject({ author: "bob", message: "ticket 8" });
    expect(current).toMatchObject({ startsAt: extra?.startsAt });
    expect(Date.parse(current?.endsAt ?? "") - Date.parse(extra?.startsAt ?? "")).toBe(
      60 * UNIT_MS,
    );
    expect(runs).toMatchObject([{ outcome: "started", evacuation, startsAt: extra?.startsAt }]);
    expect(next[0]).toMatchObject({ startsAt: night(0) });
    expect(await nights.engine(id)).toHaveLength(1);
    const startMs = Date.parse(extra?.startsAt ?? "");
    await nights.runTo((startMs - nights.startMs) / UNIT_MS + 12);
    expect(await nights.evacuation(id)).toMatchObject({ status: "completed" });
    // The one by the clock opens, too.
    await nights.runTo(2);
    const later = await nights.show(id);
    expect(later.runs?.map(({ outcome }) => outcome)).toEqual(["nothing-to-do", "started"]);
    expect(later.missed).toBeUndefined();
  });

  it("is closed again where nothing is to be emptied", async () => {
    const { b = "" } = await nights.fleet({ a: 0, b: 0 }, 10);
    const { id } = await nights.schedule([b], 60);
    const { status, body } = await post(id, "run");
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { runs: [{ outcome: "nothing-to-do" }] },
    });
    expect(body.extra).toBeUndefined();
  });

  it("is opened by the sweep or the same request, wherever the first one died", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    let died = true;
    for (let at = 1; died && at < 30; at += 1) {
      const { id } = await nights.schedule([a], 60);
      writes = 0;
      failsAt = at;
      const { status } = await post(id, "run").catch(() => ({ status: 500 }));
      died = writes >= at;
      failsAt = 0;
      if (at % 2 === 0 && status !== 200) {
        await harness.runTo(harness.clock.now() + 120_000);
        await scheduledHandlers.sweep({});
      }
      await post(id, "run");
      const shown = await nights.show(id);
      expect(shown).toMatchObject({ evacuation: expect.any(String) });
      expect(shown.runs).toHaveLength(1);
      await operate("POST", `/v1/evacuations/${shown.evacuation}/cancel`, {});
      await harness.end(shown.evacuation ?? "");
      expect((await operate("DELETE", `/v1/schedules/${id}`)).status).toBe(204);
    }
    expect(died).toBe(false);
  });

  it("is not opened in a change freeze, nor of a paused schedule", async () => {
    const { a = "" } = await nights.fleet({ a: 1, b: 0 }, 10);
    const { id } = await nights.schedule([a], 60);
    await post(id, "pause");
    expect(await post(id, "run")).toMatchObject(refused("schedule-paused"));
    await post(id, "resume");
    const minute = (ms: number) => new Date(ms).toISOString().slice(0, 16);
    const nowMs = harness.clock.now();
    const freeze = {
      from: minute(nowMs),
      until: minute(nowMs + DAY_MS),
      zone: "UTC",
      owner: "ops",
    };
    const { body } = await operate("POST", "/v1/change-freezes", freeze);
    expect(await post(id, "run")).toMatchObject(refused("in-change-freeze"));
    await operate("DELETE", `/v1/change-freezes/${body.id}`);
  });
});
