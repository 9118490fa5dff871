import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { HostId } from "../../core/id.ts";
import { findHost } from "../../functions/store/hosts.ts";
import { listHolding } from "../../functions/store/slots.ts";
import { facts } from "../functions/testing/fixtures.ts";
import { operate } from "../functions/testing/fleet.ts";
import type { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { MEMORY_BYTES } from "../workflow/testing/hosts.ts";
import { Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let scene: Scene;
let harness: EvacuationHarness;

beforeAll(async () => {
  scene = await Scene.start();
  ({ harness } = scene);
});
afterAll(() => scene?.close());

async function vm(name: string): Promise<Record<string, unknown>> {
  return (await operate("GET", `/v1/vms/${harness.vm(name)}`)).body;
}

async function reserved(host: string): Promise<number | undefined> {
  return (await findHost(HostId.parse(host)))?.reservedBytes;
}

describe("a VM whose migration fails again and again", () => {
  it("is as it was before, and the history has each try; a person's retry is one more", async () => {
    const { a = "" } = await scene.fleet({ a: 3, b: 0, c: 0 });
    const name = harness.vm("a1");
    await operate("PATCH", `/v1/vms/${name}`, { labels: { tier: "gold" } });
    const { definition, labels, state, host } = await vm("a1");
    scene.guests.courses.set(name, ["breaks"]);
    const { id } = await harness.begin([a]);
    const others: string[] = [];
    const ended = await harness.until(
      id,
      ({ status, counters }) => {
        if (counters.retrying === 1) others.push(...[...scene.guests.places.values()]);
        return status === "completed-with-remainder";
      },
      () => scene.guests.releaseAll(),
    );
    expect(ended.counters).toMatchObject({ moved: 2, failed: 1 });
    // The others moved in its pauses.
    expect(others.some((place) => place !== a)).toBe(true);
    const failed = await scene.move(id, "a1");
    const tried = { code: "migration-failed", class: "transient", ms: expect.any(Number) };
    expect(failed).toMatchObject({ state: "failed", tries: [tried, tried, tried] });
    expect(failed.reason).toContain("migration-failed");
    const after = await vm("a1");
    expect(after).toMatchObject({ definition, labels, state, host });
    expect(Object.keys(after)).not.toContain("lockedBy");
    expect(await scene.host(a)).toMatchObject({ state: "cordoned", cordons: [{ owner: id }] });
    const placement = (await operate("GET", `/v1/vms/${name}/placement`)).body;
    expect(JSON.stringify(placement)).not.toContain("pinned");
    await scene.post(`/v1/evacuations/${id}/moves/${name}/retry`, { by: "ada" });
    const again = await scene.end(id);
    expect(again).toMatchObject({ status: "completed-with-remainder", counters: { failed: 1 } });
    expect((await scene.move(id, "a1")).tries).toHaveLength(4);
    await scene.expectSound(again);
  });
});

describe("VMs that leave in other ways", () => {
  it("are gone, each at once or in its turn, and count as no failure", async () => {
    const { a = "", b = "", c = "" } = await scene.fleet({ a: 5, b: 0, c: 0 });
    const [agent] = scene.guests.agents;
    if (agent === undefined) throw new Error("Expected an agent");
    scene.hold("a1");
    scene.guests.courses.set(harness.vm("a2"), ["powers-off"]);
    const { id } = await harness.begin([a], { limits: { errorBudget: 0 } });
    await harness.until(id, () => scene.guests.held.length === 1);
    await scene.post("/v1/migrations", { vm: harness.vm("a5"), target: c });
    const skip = (moved: string) =>
      operate("POST", `/v1/evacuations/${id}/moves/${moved}/skip`, { by: "ada" });
    const migration = (await vm("a1")).lockedBy;
    expect(await skip(harness.vm("a1"))).toMatchObject({
      status: 409,
      body: { code: "move-in-flight", migration, detail: expect.stringContaining("cancel that") },
    });
    expect(await skip("elsewhere")).toMatchObject({
      status: 404,
      body: { code: "move-not-found" },
    });
    await scene.guests.powerOff(harness.vm("a3"), agent);
    await operate("DELETE", `/v1/vms/${harness.vm("a4")}`);
    await harness.runUntilIdle();
    await operate("DELETE", `/v1/vms/${harness.vm("a4")}`);
    // While the first one is still in flight.
    expect(await harness.read(id)).toMatchObject({ counters: { moving: 1, gone: 2, waiting: 2 } });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({
      status: "completed",
      counters: { total: 5, moved: 1, gone: 4, failed: 0 },
      pauses: [],
    });
    const reasons = await Promise.all(["a2", "a3", "a4", "a5"].map((name) => scene.move(id, name)));
    expect(reasons.map(({ reason }) => reason)).toEqual([
      "the guest has shut down",
      "its guest has ended: it is stopped",
      "its guest has ended: it is stopped",
      `somebody else has moved it to ${c}`,
    ]);
    expect([await vm("a2"), await vm("a3")]).toMatchObject([
      { state: "stopped" },
      { state: "stopped" },
    ]);
    const moved = scene.guests.places.get(harness.vm("a1")) ?? "";
    expect([b, c]).toContain(moved);
    await scene.expectSound(ended);
  });
});

describe("room that appears for a VM that had no place", () => {
  /** b takes one of two guests, and c is closed. The first one is held in its transfer. */
  async function begin(rest: object = {}) {
    const hosts = await scene.fleet({ a: 2, b: 0, c: 0 });
    const small = { ...facts, memoryBytes: MEMORY_BYTES };
    await scene.guests.agents[1]?.send("register", { host: hosts.b, facts: small });
    await scene.post(`/v1/hosts/${hosts.c}/cordon`, { owner: "ops" });
    scene.hold("a1");
    scene.hold("a2");
    const { id } = await harness.begin([hosts.a ?? ""], rest);
    await harness.until(id, ({ counters }) => counters.moving === 1);
    const open = () => scene.post(`/v1/hosts/${hosts.c}/uncordon`, { owner: "ops" });
    return { id, open, c: hosts.c };
  }
  const release = () => scene.guests.releaseAll();

  it("is offered as a version that holds up nothing, and is used once it is approved", async () => {
    const { id, open, c } = await begin();
    await open();
    const offered = await harness.until(id, ({ version }) => version === 2);
    expect(offered).toMatchObject({ status: "running", approvedVersion: 1, pauses: [] });
    const { body } = await operate("GET", `/v1/evacuations/${id}/plans/2`);
    expect(body).toMatchObject({ reason: "room-appeared" });
    // The move in flight ends, nothing else begins, and the end waits for the approval.
    await harness.runTo(harness.clock.now() + 60_000, release);
    expect(await harness.read(id)).toMatchObject({
      status: "running",
      version: 2,
      counters: { moved: 1, unplaced: 1 },
    });
    await harness.act(id, "approve", { version: 2, by: "bob" });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 2 } });
    expect([...scene.guests.places.values()]).toContain(c);
    await scene.expectSound(ended);
  });

  it("is used at once within the tolerance", async () => {
    const { id, open } = await begin({ tolerance: { newTargets: true } });
    await open();
    const ended = await scene.end(id);
    expect(ended).toMatchObject({
      status: "completed",
      version: 2,
      approvedVersion: 2,
      consentedVersion: 1,
      counters: { moved: 2 },
    });
    await scene.expectSound(ended);
  });

  it.each(["passes", "rejected"])("is left where its offer %s", async (how) => {
    const { id, open } = await begin({ approval: { deadlineMs: 3_600_000 } });
    await open();
    const { offeredUntil = "" } = await harness.until(id, ({ version }) => version === 2);
    if (how === "rejected") await harness.act(id, "reject", { by: "bob" });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      version: 2,
      approvedVersion: 1,
      counters: { moved: 1, unplaced: 1 },
    });
    expect((ended.endedAt ?? "") >= offeredUntil).toBe(how === "passes");
    const late = await operate("POST", `/v1/evacuations/${id}/approve`, { version: 2, by: "eve" });
    expect(late.status).toBe(409);
    await scene.expectSound(ended);
  });

  it("after the end moves nothing", async () => {
    const { id, open } = await begin();
    const ended = await scene.end(id);
    await open();
    await harness.runTo(harness.clock.now() + 60_000);
    expect(await harness.read(id)).toEqual(ended);
    await scene.expectSound(ended);
  });
});

describe("VMs that appear on a host while it is emptied", () => {
  it("are moved, too, where they were on their way or are adopted; others are refused", async () => {
    const { a = "" } = await scene.fleet({ a: 1, b: 0, x: 2 });
    const waiting = harness.vm("x1");
    const arriving = harness.vm("x2");
    scene.hold("x2");
    scene.hold("a1");
    await scene.post("/v1/migrations", { vm: arriving, target: a });
    await harness.runUntilIdle();
    const queued = await scene.post("/v1/migrations", { vm: waiting, target: a });
    const starts = await harness.bringIn(a, "a2");
    const { id, counters } = await harness.begin([a], { tolerance: { endShare: 10 } });
    expect(counters.total).toBe(3);
    await harness.until(id, ({ counters: now }) => now.moving === 1);
    const refused = (await operate("GET", `/v1/migrations/${queued.id}`)).body;
    expect(refused).toMatchObject({ status: "failed", failure: { code: "host-draining" } });
    const definition = (await vm("a1")).definition;
    const started = { id: harness.vm("a8"), host: a, definition };
    expect(await operate("POST", "/v1/vms", started)).toMatchObject({
      status: 409,
      body: { code: "host-draining" },
    });
    await (await harness.bringIn(a, "a9", { adopt: { qmpPath: "/run/a9.qmp" } }))();
    await starts();
    const ended = await scene.end(id);
    expect(ended).toMatchObject({
      status: "completed",
      counters: { total: 4, moved: 4 },
      hosts: [{ host: a, state: "emptied" }],
    });
    const place = (name: string) => scene.guests.places.get(harness.vm(name));
    expect(place("x1")).not.toBe(a);
    expect(["x2", "a1", "a2", "a9"].map(place)).not.toContain(a);
    await scene.expectSound(ended);
  });
});

describe("a VM of which nobody knows where it runs", () => {
  it("is never tried again, keeps what it holds, and is moved once it is found there", async () => {
    const { a = "", c = "" } = await scene.fleet({ a: 4, b: 0, c: 0 }, 2);
    const lost = harness.vm("a1");
    scene.guests.courses.set(lost, ["mute"]);
    scene.hold("a2");
    const { id } = await harness.begin([a]);
    const held = await harness.until(id, ({ unknownVms }) => unknownVms.length > 0);
    expect(held).toMatchObject({
      status: "paused",
      pauses: [{ reason: "vm-unknown", author: "switchyard" }],
      counters: { moving: 2, failed: 0 },
    });
    const single = await scene.post("/v1/migrations", { vm: harness.vm("a4"), target: c });
    await harness.runUntilIdle();
    const { queue } = (await operate("GET", `/v1/migrations/${single.id}`)).body;
    expect(JSON.stringify(queue)).toContain(`reconcile ${lost}`);
    await harness.act(id, `moves/${lost}/skip`, { by: "ada" });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      counters: { moved: 2, gone: 1, skipped: 1, failed: 0 },
    });
    const { tries, target = "" } = await scene.move(id, "a1");
    expect(tries).toMatchObject([{ class: "unsafe", code: "unknown-state" }]);
    const migration = tries[0]?.migration;
    expect(await vm("a1")).toMatchObject({ state: "unknown", lockedBy: migration });
    const refusal = await operate("POST", `/v1/hosts/${a}/maintenance`, { owner: "ops" });
    expect(refusal).toMatchObject({ status: 409, body: { code: "host-not-empty", vms: [lost] } });
    // Its memory and its slots are held on both sides: it may still be sending.
    const holders = await Promise.all([a, target].map((host) => listHolding(HostId.parse(host))));
    expect(holders).toEqual([[migration], [migration]]);
    const moved = [...scene.guests.places.values()].filter((place) => place === target).length;
    expect(await reserved(a)).toBe(MEMORY_BYTES);
    expect(await reserved(target)).toBe((moved + 1) * MEMORY_BYTES);
    scene.guests.arrived(lost);
    await scene.post(`/v1/vms/${lost}/reconcile`);
    await harness.runUntilIdle();
    expect(await harness.read(id)).toMatchObject({ counters: { moved: 3, skipped: 0 } });
    await scene.expectSound(ended);
  });
});
