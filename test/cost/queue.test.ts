import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MigrationId, ulid } from "../../core/id.ts";
import { overrideTransport } from "../../functions/runtime/clients.ts";
import {
  admitWaiting,
  awaitAdmission,
  freedBy,
  type Waker,
} from "../../functions/service/admit-waiting.ts";
import { keys, type Limit } from "../../functions/store/keys.ts";
import { endNotCompleted } from "../../functions/store/migration-ending.ts";
import { readMigration, type StoredMigration } from "../../functions/store/migration-record.ts";
import { joinLane, laneOf } from "../../functions/store/queue-lanes.ts";
import { putItems } from "../../functions/store/table.ts";
import { findTenant, writeTenantLimit } from "../../functions/store/tenants.ts";
import { startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import { hostId, smallDefinition, vmId } from "../functions/testing/fixtures.ts";
import {
  addHost,
  addMigration,
  addVm,
  operate,
  type TestAgent,
} from "../functions/testing/fleet.ts";
import { Usage } from "./usage.ts";

const SOURCES = 5;
const usage = new Usage();
const hosts: Record<string, TestAgent> = {};
let cloud: TestCloud;
let template: StoredMigration;

beforeAll(async () => {
  cloud = await startTestCloud();
  overrideTransport("DYNAMODB", usage.observe("DYNAMODB", cloud.transports.DYNAMODB));
  for (let number = 0; number < SOURCES; number += 1) await add(`s${number}`, 64);
  for (const name of ["few", "many", "out", "mixed", "closed"]) await add(name, 1);
  await addVm("template", hosts.s0 as TestAgent, smallDefinition);
  template = await readMigration((await addMigration("template", "few")).id);
});
afterAll(() => cloud.close());

async function add(name: string, slots: number): Promise<void> {
  hosts[name] = await addHost(name, { slotsOut: slots, slotsIn: slots });
}

let made = 0;

/** Records of running migrations that hold nothing; the first are the oldest. */
async function write(
  count: number,
  ends: (place: number) => { source: string; target: string },
  more: Partial<StoredMigration> = {},
): Promise<StoredMigration[]> {
  const { slots: _, ...free } = template;
  const all = Array.from({ length: count }, (_unused, place) => {
    made += 1;
    const { source, target } = ends(place);
    return {
      ...free,
      ...more,
      id: MigrationId.parse(`mig_${ulid(1_800_000_000_000 + made, new Uint8Array(10))}`),
      vm: vmId(`w${made}`),
      source: hostId(source),
      target: hostId(target),
    };
  });
  await putItems(all.map((one) => ({ ...keys.migration(one.id), ...one })));
  return all;
}

/** So many wait for a slot into the target, from all sources. Their lanes are made as a workflow does. */
async function fill(
  target: string,
  count: number,
  { tenant, limit = { host: hostId(target), kind: "in" } }: { tenant?: string; limit?: Limit } = {},
): Promise<StoredMigration[]> {
  const more = tenant === undefined ? {} : { tenant };
  const all = await write(count, (place) => ({ source: `s${place % SOURCES}`, target }), more);
  for (const one of all.slice(0, SOURCES)) await joinLane(one, limit);
  await putItems(all.map((one) => keys.queued(one.target, one.id)));
  await putItems(all.map((one) => keys.laneMember(laneOf(one), one.id)));
  return all;
}

/** Notes what it is asked to do. */
class NotedWaker implements Waker {
  readonly admitted: MigrationId[] = [];
  readonly refused: MigrationId[] = [];
  readonly admit = async (id: MigrationId) => void this.admitted.push(id);
  readonly refuse = async (id: MigrationId) => void this.refused.push(id);
  readonly proceed = async () => undefined;
}

/** Gives its slots back, and wakes whoever waits for them. */
async function release(migration: StoredMigration): Promise<NotedWaker> {
  const held = await readMigration(migration.id);
  const failure = { code: "no", message: "no", state: "", cure: "", phase: "admit" } as const;
  const vm = { place: "source", state: "running" } as const;
  // The VM of a written record does not exist: its lock is the condition that is left out here.
  await putItems([{ ...keys.vm(held.vm), lockedBy: held.id }]);
  expect(await endNotCompleted(held, { status: "failed", failure, vm })).toBe(true);
  const waker = new NotedWaker();
  await admitWaiting(freedBy(held), waker);
  return waker;
}

async function enqueue(migration: StoredMigration): Promise<NotedWaker> {
  const waker = new NotedWaker();
  await awaitAdmission(migration, { host: migration.target, kind: "in" }, waker);
  return waker;
}

describe("what an end costs while others wait", () => {
  it("is the same with 25 of them and with 2,000", async () => {
    const costs: unknown[] = [];
    for (const [target, count] of [
      ["few", 25],
      ["many", 2_000],
    ] as const) {
      const [holder, ...waiting] = await fill(target, count);
      if (holder === undefined) throw new Error("Expected a migration");
      if (target === "few") await release(template);
      else await admitWaiting({ hosts: [holder.target] }, new NotedWaker());
      const before = { requests: new Map(usage.requests), ...unitsOf() };
      const { admitted } = await release(holder);
      expect(admitted).toEqual([waiting[0]?.id]);
      costs.push(difference(before));
    }
    expect(costs[1]).toEqual(costs[0]);
  }, 120_000);

  it("is the same where a tenant at its limit has the oldest, and others go before them", async () => {
    const costs: unknown[] = [];
    for (const [target, count] of [
      ["few-own", 25],
      ["many-own", 1_000],
    ] as const) {
      await add(target, 2);
      const own = `${target}-tenant`;
      await writeTenantLimit(own, 1);
      const limit = { tenant: own, kind: "tenant" } as const;
      const all = await fill(target, count, { tenant: own, limit });
      await admitWaiting({ hosts: [], tenants: [own] }, new NotedWaker());
      expect(await findTenant(own)).toMatchObject({ transferring: 1 });
      const [other, next] = await fill(target, SOURCES * 2, { tenant: "other" });
      await admitWaiting({ hosts: [hostId(target)] }, new NotedWaker());
      const before = { requests: new Map(usage.requests), ...unitsOf() };
      if (all[0] === undefined || other === undefined) throw new Error("Expected migrations");
      // The oldest one waits for its tenant, so the next one of another tenant gets the free slot.
      expect((await release(other)).admitted).toEqual([next?.id]);
      expect((await release(all[0])).admitted).toEqual([all[1]?.id]);
      costs.push(difference(before));
    }
    expect(costs[1]).toEqual(costs[0]);
  }, 120_000);
});

function unitsOf() {
  return { readUnits: usage.readUnits, writeUnits: usage.writeUnits };
}

function difference(before: { requests: Map<string, number>; readUnits: number }) {
  const requests = [...usage.requests]
    .map(([name, count]) => [name, count - (before.requests.get(name) ?? 0)] as const)
    .filter(([, count]) => count > 0);
  return { requests: Object.fromEntries(requests), readUnits: usage.readUnits - before.readUnits };
}

describe("a migration that waits", () => {
  it("for its source holds up none that waits for its target", async () => {
    const [busy, behind, other] = await write(3, (place) => ({
      source: place < 2 ? "out" : "s1",
      target: place === 0 ? "few" : "mixed",
    }));
    if (!busy || !behind || !other) throw new Error("Expected three migrations");
    await operate("PATCH", "/v1/hosts/few", { slotsIn: 64 });
    expect((await enqueue(busy)).admitted).toEqual([busy.id]);
    expect((await enqueue(behind)).admitted).toEqual([]);
    expect(await watched("out")).toEqual(["out"]);
    expect((await enqueue(other)).admitted).toEqual([other.id]);
    expect((await release(busy)).admitted).toEqual([]);
    expect(await watched("out")).toEqual([]);
    expect(await watched("mixed")).toEqual(["in"]);
    expect((await release(other)).admitted).toEqual([behind.id]);
    expect(await watched("mixed")).toEqual([]);
    await release(behind);
  });

  it("for much memory holds up none that needs little", async () => {
    const much = { heldBytes: 2 ** 40 };
    const to = () => ({ source: "s2", target: "mixed" });
    const [giant] = await write(1, to, much);
    const [small] = await write(1, to);
    if (!giant || !small) throw new Error("Expected two migrations");
    expect((await enqueue(giant)).admitted).toEqual([]);
    expect(await watched("mixed")).toEqual(["memory"]);
    expect((await enqueue(small)).admitted).toEqual([small.id]);
    await release(small);
  });

  it("is refused when its target is closed, 20 at once, and the others after them", async () => {
    const all = await fill("closed", 30);
    await operate("POST", "/v1/hosts/closed/cordon", { owner: "ops" });
    const waker = new NotedWaker();
    await admitWaiting({ hosts: [hostId("closed")] }, waker);
    expect(waker.refused).toEqual(all.slice(20).map(({ id }) => id));
    for (const { id } of all) {
      expect((await readMigration(id)).failure?.code).toBe("cordoned");
    }
  });
});

/** Kinds of the limits of a host for which lanes wait. */
async function watched(host: string): Promise<string[]> {
  const rows = await cloud.scan();
  return rows.flatMap(({ pk, sk }) => {
    const [, kind] = /^WATCH#(\w+)#/.exec(String(sk)) ?? [];
    return pk === `HOST#${host}` && kind !== undefined ? [kind] : [];
  });
}
