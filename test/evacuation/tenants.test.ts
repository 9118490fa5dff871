import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Tenant } from "../../core/tenant.ts";
import { findTenant } from "../../functions/store/tenants.ts";
import { operate } from "../functions/testing/fleet.ts";
import type { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
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

async function give(tenant: string, names: readonly string[], limit: number): Promise<void> {
  for (const name of names) {
    await operate("PATCH", `/v1/vms/${harness.vm(name)}`, { tenant });
    scene.hold(name);
  }
  await limitTo(tenant, limit);
}

async function limitTo(tenant: string, migrationsAtOnce: number): Promise<void> {
  expect(await operate("PATCH", `/v1/tenants/${tenant}`, { migrationsAtOnce })).toMatchObject({
    status: 200,
    body: { name: tenant, migrationsAtOnce },
  });
}

/** Runs to the end and lets one transfer after the other go on: the tenant is never above its limit. */
async function endWithin(id: string, tenant: string, limit: number) {
  return harness.end(id, async () => {
    const { transferring, preparing } = await findTenant(tenant);
    expect(transferring).toBeLessThanOrEqual(limit);
    expect(preparing).toBeLessThanOrEqual(limit);
    const [first] = scene.guests.held;
    if (first === undefined) return false;
    await scene.guests.release(first);
    return true;
  });
}

describe("an evacuation of a tenant's VMs", () => {
  it("keeps to its limit with a single migration beside, and lets others go", async () => {
    const { a = "", b = "" } = await scene.fleet({ a: 4, b: 0, c: 1 }, 4);
    await give("shop", ["a1", "a2", "a3", "c1"], 1);
    scene.hold("a4");
    const { id } = await harness.begin([a]);
    await harness.until(id, ({ counters }) => counters.moving === 2);
    const { body: single } = await operate("POST", "/v1/migrations", {
      vm: harness.vm("c1"),
      target: b,
    });
    await harness.runUntilIdle();
    // One of the tenant's, and the VM without a tenant.
    expect(scene.guests.held).toHaveLength(2);
    expect(scene.guests.held).toContain(harness.vm("a4"));
    expect(await findTenant("shop")).toMatchObject({ transferring: 1 });
    const { queue } = (await operate("GET", `/v1/migrations/${single.id}`)).body;
    expect(queue).toMatchObject({ waitsFor: ["the tenant shop's migrations: 1 of 1 are taken"] });
    const moves = await Promise.all(["a1", "a2", "a3"].map((name) => scene.move(id, name)));
    expect(moves.filter(({ state }) => state === "waiting")).toMatchObject([
      { reason: expect.stringContaining("the tenant shop") },
      { reason: expect.stringContaining("the tenant shop") },
    ]);
    const ended = await endWithin(id, "shop", 1);
    await harness.runUntilIdle();
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 4 } });
    expect(scene.guests.places.get(harness.vm("c1"))).toBe(b);
    await scene.expectSound(ended);
  });

  it("goes on when the limit is raised while everything waits for it", async () => {
    const { a = "" } = await scene.fleet({ a: 3, b: 0 }, 4);
    await give("bank", ["a1", "a2", "a3"], 1);
    const { id } = await harness.begin([a]);
    await harness.until(id, () => scene.guests.held.length === 1);
    await harness.runUntilIdle();
    expect(scene.guests.held).toHaveLength(1);
    await limitTo("bank", 2);
    await harness.runUntilIdle();
    expect(scene.guests.held).toHaveLength(2);
    const ended = await endWithin(id, "bank", 2);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3 } });
    await scene.expectSound(ended);
  });

  it("prepares as many as may send, and not more", async () => {
    const { a = "" } = await harness.fleet(
      { a: 5, b: 0 },
      { slotsOut: 4, slotsIn: 4, prepareAhead: 4 },
    );
    await give("farm", ["a1", "a2", "a3", "a4", "a5"], 1);
    const { id } = await harness.begin([a]);
    await harness.runUntilIdle();
    expect(await findTenant("farm")).toMatchObject({ transferring: 1, preparing: 1 });
    expect((await harness.read(id)).counters).toMatchObject({ moving: 2, waiting: 3 });
    const ended = await endWithin(id, "farm", 1);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 5 } });
    expect(await harness.leftovers(id)).toEqual([]);
  });
});

describe("a limit of a tenant", () => {
  it("is listed, and removed by null", async () => {
    await limitTo("mine", 3);
    const names = async () => {
      const { items } = (await operate("GET", "/v1/tenants")).body as { items: Tenant[] };
      return items.map(({ name }) => name);
    };
    expect(await names()).toContain("mine");
    expect(await operate("PATCH", "/v1/tenants/mine", { migrationsAtOnce: 0 })).toMatchObject({
      status: 422,
    });
    const free = await operate("PATCH", "/v1/tenants/mine", { migrationsAtOnce: null });
    expect(free.body).toEqual({ name: "mine", transferring: 0, preparing: 0 });
    expect(await names()).not.toContain("mine");
    expect((await operate("GET", "/v1/tenants/mine")).body).toEqual(free.body);
  });
});
