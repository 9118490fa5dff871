import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { operate } from "../functions/testing/fleet.ts";
import { Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.start();
});
afterAll(() => scene?.close());

async function rule(name: string, rules: object): Promise<void> {
  const { status } = await operate("PATCH", `/v1/vms/${scene.harness.vm(name)}`, rules);
  expect(status).toBe(200);
}

const placeOf = (name: string) => scene.guests.places.get(scene.harness.vm(name));

describe("a VM that is pinned to a host that is emptied", () => {
  it("stays and runs on, keeps the host from maintenance, and may leave once its pin allows", async () => {
    const { a = "", b = "", c = "" } = await scene.fleet({ a: 2, b: 1, c: 0 });
    const pinned = scene.harness.vm("a2");
    const apart = { affinities: [{ group: `keys-${a}`, rule: "apart" }] };
    await rule("a2", { pinned: { by: "ops" }, ...apart });
    await rule("b1", apart);
    const { id } = await scene.harness.begin([a], { tolerance: { newTargets: true } });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      counters: { moved: 1, unplaced: 1 },
      hosts: [{ state: "kept" }],
    });
    expect(await scene.move(id, "a2")).toMatchObject({
      state: "unplaced",
      reason: expect.stringMatching(/^pinned: .*ops/),
      cure: expect.stringContaining("pin"),
      tries: [],
    });
    const refusal = await operate("POST", `/v1/hosts/${a}/maintenance`, { owner: "ops" });
    expect(refusal).toMatchObject({ status: 409, body: { vms: [pinned] } });
    await rule("a2", { pinned: { by: "ops", mayEvacuate: true } });
    await scene.post(`/v1/evacuations/${id}/moves/${pinned}/retry`, { by: "ada" });
    const whole = await scene.end(id);
    expect(whole).toMatchObject({ status: "completed", counters: { moved: 2 } });
    // It stands apart from the guest of b still.
    expect(placeOf("a2")).toBe(c);
    await scene.harness.act(id, "rollback", { by: "ada" });
    const back = await scene.end(id);
    expect(back).toMatchObject({ status: "rolled-back", counters: { moved: 2 } });
    expect([placeOf("a1"), placeOf("a2"), placeOf("b1")]).toEqual([a, a, b]);
    await scene.expectSound(back);
  });
});

describe("a VM that only prefers its host", () => {
  it("leaves it, which the plan says before it is approved, and goes home with a rollback", async () => {
    const { a = "", b = "" } = await scene.fleet({ a: 2, b: 0 });
    await operate("PATCH", `/v1/hosts/${a}`, { labels: { rack: a } });
    const group = { group: `pair-${a}`, rule: "apart", strength: "preferred" };
    await rule("a1", { preferredLabels: { rack: a }, affinities: [group] });
    await rule("a2", { affinities: [group] });
    const { id } = await scene.harness.plan([a]);
    const { body } = await operate("GET", `/v1/evacuations/${id}/plans/1`);
    const { warnings } = (body as { plan: { warnings: string[] } }).plan;
    expect(warnings.join("\n")).toContain(
      `${scene.harness.vm("a1")} prefers rack=${a}, ${b} is not`,
    );
    expect(warnings.join("\n")).toContain(`share ${b} (preferred apart: pair-${a})`);
    await scene.harness.act(id, "approve", { version: 1 });
    expect(await scene.end(id)).toMatchObject({ status: "completed", counters: { moved: 2 } });
    await scene.harness.act(id, "rollback", { by: "ada" });
    expect(await scene.end(id)).toMatchObject({ status: "rolled-back", counters: { moved: 2 } });
    expect([placeOf("a1"), placeOf("a2")]).toEqual([a, a]);
  });
});

describe("the VM in which the control plane runs", () => {
  it("moves when nothing else does, and what is to be tried again waits for its end", async () => {
    const { a = "", d = "" } = await scene.fleet({ a: 2, d: 1, b: 0, c: 0 });
    const own = scene.harness.vm("a1");
    await rule("a1", { runsControlPlane: true });
    scene.hold("a1");
    scene.guests.courses.set(scene.harness.vm("a2"), ["breaks", "completes"]);
    scene.hold("d1");
    const { id } = await scene.harness.begin([a, d]);
    const moving = async () =>
      (await scene.harness.moves(id)).flatMap(({ vm, state }) => (state === "moving" ? [vm] : []));
    await scene.harness.until(id, ({ counters }) => counters.moving === 1);
    await scene.harness.runTo(scene.harness.clock.now() + 60_000);
    expect(await moving()).toEqual([scene.harness.vm("d1")]);
    scene.guests.courses.set(scene.harness.vm("d1"), ["completes"]);
    await scene.guests.releaseAll();
    await scene.harness.until(id, () => scene.guests.held.includes(own));
    await scene.harness.runTo(scene.harness.clock.now() + 60_000);
    expect(await moving()).toEqual([own]);
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3 } });
    await scene.expectSound(ended);
  });
});
