import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import { operate } from "../functions/testing/fleet.ts";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const ONE_SLOT = { slotsOut: 1, slotsIn: 1 };

let harness: EvacuationHarness;

beforeAll(async () => {
  harness = await EvacuationHarness.start();
});
afterAll(() => harness?.close());

async function post(path: string, body: object = {}): Promise<void> {
  const { status, body: answer } = await operate("POST", path, body);
  if (status >= 300) throw new Error(`${path}: ${JSON.stringify(answer)}`);
}

async function host(id = ""): Promise<Record<string, unknown>> {
  return (await operate("GET", `/v1/hosts/${id}`)).body;
}

async function expectSound({ id }: Evacuation): Promise<void> {
  expect(harness.guests.hasRunTwice).toBe(false);
  expect(await harness.leftovers(id)).toEqual([]);
}

/** Lets time pass, whatever happens meanwhile. */
async function pass(ms: number): Promise<void> {
  const untilMs = harness.clock.now() + ms;
  harness.clock.setTimeout(() => undefined, ms);
  while (harness.clock.now() < untilMs) {
    await harness.runUntilIdle();
    harness.skip();
  }
  await harness.runUntilIdle();
}

/** Lets the next timers fire, one after the other. */
async function look(times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    harness.skip();
    await harness.runUntilIdle();
  }
}

describe("a guest of which nobody knows where it runs", () => {
  /** An evacuation with one such guest, and another one that waits. */
  async function unknown() {
    const { a = "" } = await harness.fleet({ a: 2, b: 0 }, ONE_SLOT);
    const vm = harness.vm("a1");
    harness.guests.courses.set(vm, ["mute"]);
    harness.guests.courses.set(harness.vm("a2"), ["held", "completes"]);
    const { id } = await harness.begin([a]);
    await harness.until(
      id,
      ({ unknownVms }) => unknownVms.length > 0,
      () => harness.guests.releaseAll(),
    );
    return { id, vm, a };
  }

  it("pauses it without a step more than one an hour, until it is found", async () => {
    const { id, vm } = await unknown();
    await harness.act(id, "pause", { by: "ada" });
    await harness.act(id, "resume", { by: "ada" });
    await harness.runUntilIdle();
    const before = harness.calls.length;
    await look(6);
    expect(harness.calls.length - before).toBeLessThanOrEqual(2 * 6);
    expect(await harness.read(id)).toMatchObject({
      status: "paused",
      pauses: [{ reason: "vm-unknown" }],
      unknownVms: [vm],
      counters: { moving: 1 },
    });
    harness.guests.mutes.clear();
    harness.guests.courses.clear();
    await post(`/v1/vms/${vm}/reconcile`);
    const ended = await harness.end(id, () => harness.guests.releaseAll());
    expect(ended).toMatchObject({ status: "completed", unknownVms: [], counters: { moved: 2 } });
    await expectSound(ended);
  });

  it("does not keep a cancelled evacuation open once a person has passed it over", async () => {
    const { id, vm, a } = await unknown();
    await harness.act(id, "cancel", { by: "ada" });
    await harness.runUntilIdle();
    expect((await harness.read(id)).status).toBe("cancelling");
    await harness.act(id, `moves/${vm}/skip`, { by: "ada" });
    const ended = await harness.end(id, () => harness.guests.releaseAll());
    expect(ended).toMatchObject({ status: "cancelled", counters: { moving: 0 } });
    expect(await host(a)).toMatchObject({ cordons: [] });
  });
});

describe("a guest that is still being started", () => {
  it("is moved once it runs, without anybody's wake", async () => {
    const { a = "" } = await harness.fleet({ a: 1, b: 0 });
    const started = await harness.bringIn(a, "a9");
    const { id } = await harness.begin([a]);
    await harness.until(id, ({ counters }) => counters.moved === 1);
    await started();
    const startedMs = harness.clock.now();
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 2 } });
    expect(harness.clock.now() - startedMs).toBeLessThan(120_000);
    await expectSound(ended);
  });
});

describe("a host that is uncordoned while another one is emptied", () => {
  it("keeps a guest whose transfer fails later, and ends nothing of the other's part", async () => {
    const { a = "", d = "" } = await harness.fleet({ a: 2, d: 1, b: 0, c: 0 }, ONE_SLOT);
    const first = harness.vm("a1");
    const second = harness.vm("a2");
    for (const vm of [first, second]) harness.guests.courses.set(vm, ["held"]);
    harness.guests.courses.set(harness.vm("d1"), ["held", "completes"]);
    const { id } = await harness.begin([a, d]);
    await harness.until(id, ({ counters }) => counters.moving === 2);
    await post(`/v1/hosts/${a}/uncordon`, { owner: "ops team", message: "back" });
    const [moving = ""] = harness.guests.held.filter((vm) => vm === first || vm === second);
    await harness.guests.breakUp(moving);
    const ended = await harness.end(id, () => harness.guests.releaseAll());
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      counters: { moved: 1, skipped: 2 },
      hosts: expect.arrayContaining([expect.objectContaining({ host: d, state: "emptied" })]),
    });
    expect(await host(a)).toMatchObject({ state: "active", cordons: [] });
    // It waits for its maintenance.
    expect(await host(d)).toMatchObject({ state: "cordoned", cordons: [{ owner: id }] });
    const retry = await operate("POST", `/v1/evacuations/${id}/moves/${moving}/retry`, {});
    expect(retry).toMatchObject({ status: 409, body: { code: "move-over" } });
    await expectSound(ended);
  });
});

describe("a guest whose migration a person cancels", () => {
  const skipped = { state: "skipped", cure: expect.stringContaining("retry the VM") };

  /** Of the guests that move now. */
  async function cancelMoving(id: string): Promise<void> {
    const moving = (await harness.moves(id)).filter(({ state }) => state === "moving");
    for (const { migration } of moving) await post(`/v1/migrations/${migration}/cancel`);
  }

  it("stays and is not tried again, the others go on, and the evacuation ends", async () => {
    const { a = "" } = await harness.fleet({ a: 3, b: 0 }, ONE_SLOT);
    const names = ["a1", "a2", "a3"].map((name) => harness.vm(name));
    for (const vm of names) harness.guests.courses.set(vm, ["held"]);
    const { id } = await harness.begin([a]);
    for (const _ of ["first", "second"]) {
      await harness.until(id, ({ counters }) => counters.moving === 1);
      await cancelMoving(id);
      await harness.runUntilIdle();
    }
    const ended = await harness.end(id, () => harness.guests.releaseAll());
    const counters = { skipped: 2, moved: 1, failed: 0 };
    expect(ended).toMatchObject({ status: "completed-with-remainder", counters });
    const kept = (await harness.moves(id)).filter(({ state }) => state !== "moved");
    expect(kept).toMatchObject([skipped, skipped]);
    expect(kept.map(({ tries }) => tries.length)).toEqual([1, 1]);
    await expectSound(ended);
  });

  it("is not tried again either when its migration has just failed by itself", async () => {
    const { a = "" } = await harness.fleet({ a: 1, b: 0 });
    harness.guests.courses.set(harness.vm("a1"), ["breaks"]);
    const { id } = await harness.begin([a]);
    harness.intercept = async (state, call) => {
      if (state === "Reconcile") await cancelMoving(id);
      return call();
    };
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed-with-remainder", counters: { skipped: 1 } });
    const [move] = await harness.moves(id);
    expect(move).toMatchObject({ ...skipped, reason: expect.stringContaining("migration-failed") });
    await expectSound(ended);
  });
});

describe("a rollback", () => {
  it("waits for a slot that a single migration has, and gives nothing up", async () => {
    const { a = "", b = "", c = "" } = await harness.fleet({ a: 2, b: 0, c: 1 }, ONE_SLOT);
    await post(`/v1/hosts/${c}/cordon`, { owner: "ops" });
    const { id } = await harness.begin([a]);
    await harness.end(id);
    await post(`/v1/hosts/${a}/return`);
    const single = harness.vm("c1");
    harness.guests.courses.set(single, ["held", "completes"]);
    await post("/v1/migrations", { vm: single, target: a });
    await harness.runUntilIdle();
    await harness.act(id, "rollback", { by: "ada" });
    await pass(30_000);
    expect(await harness.read(id)).toMatchObject({
      status: "rolling-back",
      counters: { waiting: 2, unplaced: 0 },
    });
    await harness.guests.release(single);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "rolled-back", counters: { total: 2, moved: 2 } });
    expect([...harness.guests.places.values()].filter((place) => place === b)).toEqual([]);
    await expectSound(ended);
  });

  it("is over for a guest that never moved: it is not skipped, nor tried again", async () => {
    const { a = "" } = await harness.fleet({ a: 2, b: 0 }, ONE_SLOT);
    const kept = harness.vm("a1");
    const moved = harness.vm("a2");
    harness.guests.courses.set(kept, ["breaks"]);
    const { id } = await harness.begin([a]);
    await harness.end(id);
    harness.guests.courses.set(moved, ["held", "completes"]);
    await harness.act(id, "rollback", { by: "ada" });
    await harness.until(id, ({ counters }) => counters.moving === 1);
    for (const action of ["skip", "retry"]) {
      const path = `/v1/evacuations/${id}/moves/${kept}/${action}`;
      expect((await operate("POST", path, {})).status).toBe(409);
    }
    const ended = await harness.end(id, () => harness.guests.releaseAll());
    expect(ended).toMatchObject({ status: "rolled-back", counters: { total: 1, moved: 1 } });
    await expectSound(ended);
  });
});

describe("a guest that appears on the host", () => {
  it("is offered in one version beyond the tolerance, which is approved", async () => {
    const { a = "" } = await harness.fleet({ a: 1, b: 0 }, ONE_SLOT);
    harness.guests.courses.set(harness.vm("a1"), ["held", "completes"]);
    const tolerance = { endShare: 0, newRemainder: false };
    const { id } = await harness.begin([a], { tolerance });
    await harness.until(id, ({ counters }) => counters.moving === 1);
    const adopted = await harness.bringIn(a, "a9", { adopt: { qmpPath: "/run/a9.qmp" } });
    await adopted();
    await pass(5_000);
    await harness.guests.release(harness.vm("a1"));
    const asked = await harness.until(id, ({ status }) => status === "paused");
    await look(6);
    expect(await harness.read(id)).toMatchObject({ version: asked.version, status: "paused" });
    await harness.act(id, "approve", { version: asked.version, by: "ada" });
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { total: 2, moved: 2 } });
    await expectSound(ended);
  });
});
