import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { cpuModels } from "../../core/plan/testing/fleet.ts";
import { definition, facts } from "../functions/testing/fixtures.ts";
import { operate, silence } from "../functions/testing/fleet.ts";
import type { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { MEMORY_BYTES } from "../workflow/testing/hosts.ts";
import { Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** Bytes in a second of one Gbit/s. */
const GBIT = 1.25e8;

let scene: Scene;
let harness: EvacuationHarness;

beforeAll(async () => {
  scene = await Scene.start();
  ({ harness } = scene);
});
afterAll(() => scene?.close());

function agentOf(host: string) {
  const agent = harness.guests.agents.find((one) => one.host === host);
  if (agent === undefined) throw new Error(`Expected an agent of ${host}`);
  return agent;
}

async function migrations(): Promise<Migration[]> {
  return (await operate("GET", "/v1/migrations?limit=100")).body.items as Migration[];
}

describe("case 21: a target that falls silent", () => {
  it("keeps the transfer that is on its way to it, gets no other, and none fails", async () => {
    const { a = "", b = "", c = "", z = "" } = await scene.fleet({ a: 2, b: 0, c: 0, z: 1 });
    await silence(agentOf(z));
    await scene.post(`/v1/hosts/${c}/cordon`, { owner: "ops" });
    scene.hold("a1");
    scene.hold("a2");
    const { id } = await harness.begin([a], { tolerance: { newTargets: true } });
    await harness.until(id, () => harness.guests.held.length > 0);
    const [moving = ""] = harness.guests.held;
    await silence(agentOf(b));
    await scene.post(`/v1/hosts/${c}/uncordon`, { owner: "ops" });
    for (let beats = 1; beats <= 20; beats += 1) {
      await harness.guests.beat();
      await harness.runTo(harness.clock.now() + 30_000);
    }
    expect(harness.guests.held).toEqual([moving]);
    await harness.guests.release(moving);
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { total: 2, moved: 2 } });
    const moves = await harness.moves(id);
    expect(moves.map(({ tries }) => tries.length)).toEqual([1, 1]);
    expect(moves.find(({ vm }) => vm === moving)).toMatchObject({ target: b });
    expect(scene.guests.places.get(harness.vm("z1"))).toBe(z);
    await scene.expectSound(ended);
  });

  it("as the only one is passed over until it is heard, with its silence as the reason", async () => {
    const { a = "", b = "" } = await scene.fleet({ a: 2, b: 0 });
    scene.hold("a1");
    scene.hold("a2");
    const { id } = await harness.begin([a]);
    await harness.until(id, () => harness.guests.held.length > 0);
    const [moving = ""] = harness.guests.held;
    const other = [harness.vm("a1"), harness.vm("a2")].find((vm) => vm !== moving) ?? "";
    await silence(agentOf(b));
    const { body } = await operate("GET", `/v1/vms/${other}/placement`);
    expect(JSON.stringify(body.reasons)).toContain("host-silent");
    // What arrives is heard of from its host, which thereby is silent no more.
    await harness.guests.release(moving);
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 2 } });
    expect(scene.guests.places.get(other)).toBe(b);
    await scene.expectSound(ended);
  });
});

describe("case 39: what a VM needs, not where it is", () => {
  const names = ["g1", "g2", "g3"];
  const old = cpuModels(["g1", "g2"], names);
  const renewed = cpuModels(names, names);

  it("decides where it goes, and whether it may come back", async () => {
    const hosts = await scene.fleet({ a: 0, b: 0, c: 0, d: 0 });
    const { a = "", b = "", c = "", d = "" } = hosts;
    for (const [host, tcg] of [
      [a, renewed],
      [b, old],
      [c, old],
      [d, renewed],
    ] as const) {
      const own = { ...facts, cpuModels: { tcg } };
      expect(await agentOf(host).send("register", { host, facts: own })).toMatchObject({
        status: 200,
      });
    }
    const guest = (cpuModel: string) => ({
      definition: { ...definition, memoryBytes: MEMORY_BYTES, cpuModel },
    });
    await (await harness.bringIn(b, "b1", guest("g2")))();
    await (await harness.bringIn(d, "b2", guest("g3")))();
    const needy = harness.vm("b2");
    const { body } = await operate("GET", `/v1/vms/${needy}/placement`);
    expect(body.fitting).toEqual([a]);
    const reasons = body.reasons as { hosts: string[]; blockers: { code: string }[] }[];
    for (const host of [b, c]) {
      const found = reasons.find(({ hosts: those }) => those.includes(host));
      expect(found?.blockers.map(({ code }) => code)).toContain("cpu-features-missing");
    }
    // Both old hosts are renewed one after the other: the old guest may go to either kind.
    const { id } = await harness.begin([b, c]);
    const ended = await scene.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 1 } });
    expect([a, d]).toContain(scene.guests.places.get(harness.vm("b1")));
    await harness.act(id, "rollback", { by: "ada" });
    const back = await scene.end(id);
    expect(back).toMatchObject({ status: "rolled-back", counters: { moved: 1 } });
    expect(scene.guests.places.get(harness.vm("b1"))).toBe(b);
    const away = await harness.begin([d]);
    expect(await scene.end(away.id)).toMatchObject({ status: "completed" });
    expect(scene.guests.places.get(needy)).toBe(a);
  });
});

describe("case 46: rates that do not divide", () => {
  it("are kept by links of different speed, beside a single migration", async () => {
    const fleet = { a: 6, b: 0, c: 0, x: 1 };
    const { a = "", b = "", c = "", x = "" } = await scene.fleet(fleet, 8);
    const links = { [a]: 25, [b]: 10, [c]: 25, [x]: 25 };
    for (const [host, gigabits] of Object.entries(links)) {
      const rate = gigabits * GBIT;
      const limits = { linkOutBytesPerSecond: rate, linkInBytesPerSecond: rate };
      expect(await operate("PATCH", `/v1/hosts/${host}`, limits)).toMatchObject({ status: 200 });
    }
    await scene.post(`/v1/hosts/${x}/cordon`, { owner: "ops" });
    for (const name of ["a1", "a2", "a3", "a4", "a5", "a6", "x1"]) scene.hold(name);
    const { id } = await harness.begin([a], { options: { streamBytesPerSecond: 8 * GBIT } });
    const vm = harness.vm("x1");
    const { status } = await operate("POST", "/v1/migrations", { vm, target: b });
    expect(status).toBe(202);
    const most = { out: 0, b: 0, c: 0 };
    const overshot: string[] = [];
    const look = async () => {
      const running = (await migrations()).filter(({ vm }) => harness.guests.held.includes(vm));
      const into = (host: string) => running.filter(({ target }) => target === host);
      const from = running.filter(({ source }) => source === a);
      most.out = Math.max(most.out, from.length);
      most.b = Math.max(most.b, into(b).length);
      most.c = Math.max(most.c, into(c).length);
      const parts = [
        ["out of a", 25, from],
        ["into b", 10, into(b)],
        ["into c", 25, into(c)],
      ] as const;
      for (const [what, gigabits, those] of parts) {
        const sum = those.reduce((all, one) => all + rateOf(one), 0);
        if (sum > gigabits * GBIT) overshot.push(`${sum} B/s ${what}`);
      }
      const [first] = harness.guests.held;
      if (first === undefined) return false;
      await harness.guests.release(first);
      return true;
    };
    const ended = await harness.end(id, look);
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 6 } });
    expect(overshot).toEqual([]);
    expect(most.b).toBe(1);
    expect(most.out).toBe(3);
    expect(most.c).toBeLessThanOrEqual(3);
    await harness.guests.releaseAll();
    await harness.runUntilIdle();
    await scene.expectSound(ended);
  });
});

/** What QEMU was told to send at most, B/s. */
function rateOf({ agreement, vm }: Migration): number {
  const rate = agreement?.source.parameters["max-bandwidth"];
  if (typeof rate !== "number" || rate <= 0) throw new Error(`Expected a rate of ${vm}`);
  return rate;
}
