import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type * as z from "zod";
import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import type { RollbackPlan as RollbackPlanBody } from "../../functions/api/bodies/evacuations.ts";
import { definition, facts } from "../functions/testing/fixtures.ts";
import { operate } from "../functions/testing/fleet.ts";
import type { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

type RollbackPlan = z.infer<typeof RollbackPlanBody>;

let scene: Scene;
let harness: EvacuationHarness;

beforeAll(async () => {
  scene = await Scene.start();
  ({ harness } = scene);
});
afterAll(() => scene?.close());

describe("an agent that registers again", () => {
  it("while its host is drained changes its facts, and nothing that others have set", async () => {
    const { a = "" } = await scene.fleet({ a: 3, b: 0 });
    await operate("PATCH", `/v1/hosts/${a}`, { labels: { rack: "7" } });
    scene.hold("a1");
    const { id } = await harness.begin([a]);
    await harness.until(id, () => harness.guests.held.length > 0);
    const [agent] = harness.guests.agents;
    const memoryBytes = facts.memoryBytes * 2;
    await agent?.send("register", { host: a, facts: { ...facts, memoryBytes } });
    expect(await scene.host(a)).toMatchObject({
      state: "draining",
      cordons: [{ owner: id }],
      labels: { rack: "7" },
      slotsOut: 1,
      facts: { memoryBytes },
    });
    await harness.guests.release(harness.vm("a1"));
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3 } });
    await scene.post(`/v1/hosts/${a}/maintenance`, { owner: "ops" });
    await agent?.send("register", { host: a, facts });
    expect(await scene.host(a)).toMatchObject({ state: "maintenance" });
    const back = { vm: harness.vm("a1"), target: a };
    const refused = await operate("POST", "/v1/migrations", back);
    expect(refused.status).toBe(409);
    await scene.expectSound(ended);
  });
});

describe("the cordon of somebody else", () => {
  it("outlives an evacuation that is cancelled, with its message and its age", async () => {
    const { a = "", b = "" } = await scene.fleet({ a: 1, b: 1, c: 0 });
    await scene.post(`/v1/hosts/${b}/cordon`, { owner: "ops", message: "disk swap" });
    const { cordons } = await scene.host(b);
    scene.hold("a1");
    scene.hold("b1");
    const { id } = await harness.begin([a, b]);
    await harness.until(id, () => harness.guests.held.length > 0);
    await harness.act(id, "cancel", { by: "ada" });
    const ended = await scene.end(id);
    expect(ended.status).toBe("cancelled");
    expect(await scene.host(a)).toMatchObject({ state: "active", cordons: [] });
    expect((await scene.host(b)).cordons).toEqual(cordons);
    await scene.expectSound(ended);
  });

  it("outlives one that completes, and the return of the host", async () => {
    const { a = "", b = "" } = await scene.fleet({ a: 1, b: 1, c: 0 });
    await scene.post(`/v1/hosts/${b}/cordon`, { owner: "ops", message: "disk swap" });
    const { cordons } = await scene.host(b);
    const { id } = await harness.begin([a, b]);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 2 } });
    for (const one of [a, b]) {
      await scene.post(`/v1/hosts/${one}/maintenance`, { owner: "ada" });
      await scene.post(`/v1/hosts/${one}/return`, { owner: "ada" });
    }
    expect(await scene.host(a)).toMatchObject({ state: "active" });
    expect((await scene.host(b)).cordons).toEqual(cordons);
    await scene.expectSound(ended);
  });
});

describe("a single migration to the target of an evacuation", () => {
  it("gets the next slot, and shows until then what it waits for", async () => {
    const { a = "", b = "", c = "" } = await scene.fleet({ a: 5, b: 0, c: 1 });
    for (const name of ["a1", "a2", "a3", "a4", "a5", "c1"]) scene.hold(name);
    await scene.post(`/v1/hosts/${c}/cordon`, { owner: "ops" });
    const { id } = await harness.begin([a]);
    await harness.until(id, () => harness.guests.held.length > 0);
    const [first = ""] = harness.guests.held;
    const vm = harness.vm("c1");
    const { body: single } = await operate("POST", "/v1/migrations", { vm, target: b });
    await harness.runUntilIdle();
    const { body: waiting } = await operate("GET", `/v1/migrations/${single.id}`);
    expect(waiting.queue).toMatchObject({ place: 1, waitsFor: [expect.stringContaining(b)] });
    await harness.guests.release(first);
    await harness.until(id, () => harness.guests.held.length > 0);
    expect(harness.guests.held).toEqual([vm]);
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 5, failed: 0 } });
    await scene.expectSound(ended);
  });
});

describe("a target of one evacuation that is emptied by another", () => {
  it("passes on what was on its way to it, and takes nothing more", async () => {
    const { a = "", b = "", c = "" } = await scene.fleet({ a: 2, b: 0, c: 0 });
    await scene.post(`/v1/hosts/${c}/cordon`, { owner: "ops" });
    scene.hold("a1");
    scene.hold("a2");
    const { id: first } = await harness.begin([a]);
    await harness.until(first, ({ counters }) => counters.moving === 1);
    const [moving = ""] = harness.guests.held;
    await scene.post(`/v1/hosts/${c}/uncordon`, { owner: "ops" });
    const { id: second } = await harness.begin([b]);
    await harness.runUntilIdle();
    expect((await harness.read(second)).hosts).toMatchObject([{ host: b, state: "draining" }]);
    await harness.guests.release(moving);
    const asked = await harness.until(first, ({ status }) => status === "paused");
    expect(asked.pauses).toMatchObject([{ reason: "tolerance" }]);
    await harness.act(first, "approve", { version: asked.version, by: "ada" });
    const ended = await scene.end(first);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 2 } });
    const passedOn = await scene.end(second);
    expect(passedOn).toMatchObject({ status: "completed", counters: { total: 1, moved: 1 } });
    expect(new Set(harness.guests.places.values())).toEqual(new Set([c]));
    await scene.expectSound(ended, passedOn);
  });
});

describe("two VMs that stand apart, each on a host that an evacuation of its own empties,", () => {
  it("do not come to one host: the second one stays, with the first one in its reason", async () => {
    const { a = "", b = "", c = "" } = await scene.fleet({ a: 1, b: 1, c: 0 });
    const vms = [harness.vm("a1"), harness.vm("b1")];
    const group = `apart-${c}`;
    for (const vm of vms) {
      const rules = { affinities: [{ group, rule: "apart" }] };
      expect(await operate("PATCH", `/v1/vms/${vm}`, rules)).toMatchObject({ status: 200 });
    }
    const plans = [await harness.plan([a]), await harness.plan([b])];
    const approve = ({ id }: Evacuation) => harness.act(id, "approve", { version: 1 });
    await Promise.all(plans.map(approve));
    const ended: Evacuation[] = [];
    for (const { id } of plans) ended.push(await harness.end(id));
    expect(ended.map(({ status }) => status).toSorted()).toEqual([
      "completed",
      "completed-with-remainder",
    ]);
    const left = ended.find(({ status }) => status !== "completed");
    const [remains] = await harness.moves(left?.id ?? "");
    const moved = vms.find((vm) => vm !== remains?.vm);
    expect(remains).toMatchObject({ state: "unplaced" });
    const placement = (await operate("GET", `/v1/vms/${remains?.vm}/placement`)).body;
    expect(JSON.stringify(placement.reasons)).toContain(`${moved} of the group ${group} is there`);
    expect([...harness.guests.places].filter(([, place]) => place === c)).toEqual([[moved, c]]);
    await scene.expectSound(...ended);
  });
});

describe("case 12: a rollback", () => {
  const planOf = async (id: string) => {
    const { status, body } = await operate("GET", `/v1/evacuations/${id}/rollback`);
    expect(status).toBe(200);
    return body as RollbackPlan;
  };

  it("has a plan before it is asked for, and a predicted end while it goes on", async () => {
    const { a = "", b = "" } = await scene.fleet({ a: 3, b: 0 });
    const { id } = await harness.begin([a]);
    const there = await harness.end(id);
    const plan = await planOf(id);
    expect(plan.staying).toEqual([]);
    expect(plan.moves.map(({ source, target }) => [source, target])).toEqual(Array(3).fill([b, a]));
    expect(await harness.read(id)).toEqual(there);
    for (const { vm } of plan.moves) harness.guests.courses.set(vm, ["held", "completes"]);
    await harness.act(id, "rollback", { by: "ada" });
    const half = await harness.until(id, () => harness.guests.held.length > 0);
    expect(half.eta).toMatchObject({ plannedMs: plan.eta.ms, lowerBoundMs: plan.lowerBoundMs });
    expect(half.eta.remainingMs).toBe(Math.round(plan.eta.ms));
    expect(half.forward?.eta).toEqual(expect.objectContaining({ realMs: there.eta.realMs }));
    await harness.guests.release(harness.guests.held[0] ?? "");
    const later = await harness.until(id, ({ counters }) => counters.moved === 1);
    expect(later.eta.remainingMs).toBeLessThan(half.eta.remainingMs ?? 0);
    const back = await scene.end(id);
    expect(back).toMatchObject({ status: "rolled-back", counters: { moved: 3 } });
    await scene.expectSound(back);
  });

  it("to a host that others have filled says so beforehand, moves nothing, and ends", async () => {
    const { a = "" } = await scene.fleet({ a: 2, b: 0 });
    const { id } = await harness.begin([a]);
    await harness.end(id);
    await scene.post(`/v1/hosts/${a}/uncordon`, { owner: "ops" });
    const whole = { definition: { ...definition, memoryBytes: facts.memoryBytes } };
    await (await harness.bringIn(a, "n1", whole))();
    const plan = await planOf(id);
    expect(plan.moves).toEqual([]);
    expect(plan.staying.map(({ home }) => home)).toEqual([a, a]);
    const [blocker] = plan.staying[0]?.blockers ?? [];
    expect(blocker?.message).toContain(`${harness.vm("n1")} has it`);
    expect(blocker?.cure).toBe(`Move ${harness.vm("n1")} off ${a}`);
    await harness.act(id, "rollback", { by: "ada" });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 0, unplaced: 2 } });
    const [kept] = await harness.moves(id);
    expect(kept?.reason).toContain(blocker?.message);
    expect(kept?.cure).toContain(blocker?.cure);
    expect(harness.guests.places.get(harness.vm("n1"))).toBe(a);
  });
});

describe("a canary, and hosts that wait for it", () => {
  async function begin(course: ("breaks" | "completes")[]) {
    const hosts = await scene.fleet({ a: 1, d: 2, e: 2, b: 0, c: 0 });
    harness.guests.courses.set(harness.vm("a1"), course);
    const { a = "", d = "", e = "" } = hosts;
    const { id } = await harness.begin([a, d, e], {
      options: { streamBytesPerSecond: 1_000, canaryHosts: 1, hostsAtOnce: 2 },
      limits: { errorBudget: 0 },
    });
    const untouched = async () => {
      const others = await Promise.all([d, e].map((host) => scene.host(host)));
      return others.every(({ cordons }) => (cordons as unknown[]).length === 0);
    };
    return { id, untouched };
  }

  it("begin once its guests were seen running elsewhere, whatever tries that takes", async () => {
    const { id, untouched } = await begin(["breaks", "completes"]);
    const retrying = await harness.until(id, ({ counters }) => counters.retrying === 1);
    expect(retrying.hosts.map(({ state }) => state)).toEqual(["draining", "waiting", "waiting"]);
    expect(await untouched()).toBe(true);
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 5 } });
    const [canary, ...others] = ended.hosts;
    for (const { begunAt = "" } of others) expect(begunAt >= (canary?.endedAt ?? "")).toBe(true);
    await scene.expectSound(ended);
  });

  it("do not begin when it fails, until a person resumes", async () => {
    const { id, untouched } = await begin(["breaks"]);
    const held = await harness.until(id, ({ status }) => status === "paused");
    expect(held).toMatchObject({ pauses: [{ reason: "error-budget" }], counters: { failed: 1 } });
    await harness.runTo(harness.clock.now() + 60_000);
    expect(await untouched()).toBe(true);
    await harness.act(id, "resume", { by: "ada" });
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed-with-remainder", counters: { moved: 4 } });
    await scene.expectSound(ended);
  });
});
