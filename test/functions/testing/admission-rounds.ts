import { afterAll, beforeAll, expect, it } from "vitest";
import type { MigrationId } from "../../../core/id.ts";
import { MigrationPolicy } from "../../../core/negotiate/policy.ts";
import { type Random, random } from "../../../core/plan/random.ts";
import { overrideTransport } from "../../../functions/runtime/clients.ts";
import {
  admitWaiting,
  awaitAdmission,
  freedBy,
  tidyLane,
} from "../../../functions/service/admit-waiting.ts";
import { newMigration } from "../../../functions/service/start-migration.ts";
import { takeTurn } from "../../../functions/service/take-turn.ts";
import { findHost } from "../../../functions/store/hosts.ts";
import { createMigration } from "../../../functions/store/migration-creation.ts";
import { endCompleted, endNotCompleted } from "../../../functions/store/migration-ending.ts";
import { requestCancel } from "../../../functions/store/migration-progress.ts";
import { readMigration } from "../../../functions/store/migration-record.ts";
import {
  readTenant,
  readTenantCounts,
  writeTenantLimit,
} from "../../../functions/store/tenants.ts";
import { findVm } from "../../../functions/store/vms.ts";
import { startTestCloud, type TestCloud } from "./cloud.ts";
import { definition, facts, GiB, hostId, vmId } from "./fixtures.ts";
import { addHost, addVm, operate, type TestAgent } from "./fleet.ts";
import { Interleaving } from "./interleaving.ts";

const ROUNDS = 3;
const DEATH_RATE = 0.01;
const SLOTS: Readonly<Record<string, number>> = { a: 2, b: 1, c: 1 };
/** Of each host and direction; one host prepares nothing ahead. */
const PLACES: Readonly<Record<string, number>> = { a: 1, b: 2, c: 0 };
/** Of every host, in each direction; migrations need one of {@link RATES}. */
const LINK = 1_000_000;
const RATES = [300_000, 600_000, 2_000_000];
/** Every other VM is this tenant's. */
const TENANT = "shop";
const TENANT_LIMIT = 1;
const vms = ["v0", "v1", "v2", "v3", "v4", "v5", "v6"];
const interleaving = new Interleaving();
let cloud: TestCloud;

/** Its workflow, as far as admission goes. */
const waker = {
  admit: async () => undefined,
  refuse: async (id: MigrationId) => end(id, "failed"),
  proceed: async () => undefined,
};

async function begin(name: string, to: string): Promise<void> {
  const [vm, target] = await Promise.all([findVm(vmId(name)), findHost(hostId(to))]);
  const source = vm === undefined ? undefined : await findHost(vm.host);
  if (vm === undefined || source === undefined || target === undefined) return;
  if (vm.lockedBy !== undefined || source.id === target.id) return;
  const idempotency = { key: `${name}-${vm.epoch}`, bodyHash: "hash" };
  const rate = RATES[Number(name.slice(1)) % RATES.length];
  const policy = MigrationPolicy.parse({ maxBandwidthBytesPerSecond: rate });
  const tenant = await readTenantCounts(vm.tenant);
  const made = newMigration(policy, { vm, source, target, tenant }, idempotency);
  const written = await createMigration(made);
  if (typeof written === "object") await wait(written.migration.id);
}

async function wait(id: MigrationId): Promise<void> {
  const migration = await readMigration(id);
  if (migration.slots !== undefined || migration.status !== "running") return;
  const turn = await takeTurn(migration);
  if (turn === "closed") await end(id, "failed");
  if (typeof turn === "object") await awaitAdmission(migration, turn, waker);
}

/** Its target is prepared: it takes its slots, or waits for them. */
async function start(id: MigrationId): Promise<void> {
  const migration = await readMigration(id);
  if (migration.slots !== "preparing" || migration.status !== "running") return;
  const turn = await takeTurn(migration);
  if (turn === "closed") await end(id, "failed");
  if (turn === "held") await admitWaiting(freedBy(migration), waker);
  if (typeof turn === "object") await awaitAdmission(migration, turn, waker);
}

/** Writes the end, and wakes whoever waits; repeated, it does the rest. */
async function end(id: MigrationId, how: "completed" | "failed"): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const migration = await readMigration(id);
    const { slots, status } = migration;
    if (status === "running") {
      const failure = { code: "no", message: "", state: "", cure: "", phase: "end" } as const;
      const vm = { place: "source", state: "running" } as const;
      const isWritten =
        how === "completed" && slots === "held"
          ? await endCompleted(migration, { state: "running" })
          : await endNotCompleted(migration, { status: "failed", failure, vm });
      if (!isWritten) continue;
    }
    await tidyLane(migration);
    await admitWaiting(freedBy(migration), waker);
    return;
  }
}

async function running(): Promise<MigrationId[]> {
  const locks = await Promise.all(vms.map(async (vm) => (await findVm(vmId(vm)))?.lockedBy));
  return locks.flatMap((lock) => lock ?? []);
}

/** No limit is overshot. */
async function expectLimits(): Promise<void> {
  const tenant = await readTenant(TENANT);
  expect(tenant.transferring.size).toBeLessThanOrEqual(TENANT_LIMIT);
  expect(tenant.preparing.size).toBeLessThanOrEqual(TENANT_LIMIT);
  for (const [name, slots] of Object.entries(SLOTS)) {
    const host = await findHost(hostId(name));
    expect(host?.outgoing.size).toBeLessThanOrEqual(slots);
    expect(host?.incoming.size).toBeLessThanOrEqual(slots);
    expect(host?.rateOut).toBeLessThanOrEqual(LINK);
    expect(host?.rateIn).toBeLessThanOrEqual(LINK);
    expect(host?.preparingOut.size).toBeLessThanOrEqual(PLACES[name] ?? 0);
    expect(host?.preparingIn.size).toBeLessThanOrEqual(PLACES[name] ?? 0);
    expect(host?.reservedBytes).toBeLessThanOrEqual(6 * GiB);
    expect(host?.apart.x?.length ?? 0).toBeLessThanOrEqual(1);
  }
}

/** Nothing is held but what the guests have where they run. */
async function expectNothingLeft(): Promise<void> {
  const rows = await cloud.scan();
  const left = rows.filter(({ pk, sk }) => /^(WATCH|QUEUED|WAITING)#|^LANE#/.test(`${sk}${pk}`));
  expect(left).toEqual([]);
  const none = { transferring: new Set(), preparing: new Set() };
  expect(await readTenant(TENANT)).toMatchObject(none);
  const all = await Promise.all(vms.map((vm) => findVm(vmId(vm))));
  for (const name of Object.keys(SLOTS)) {
    const here = all.filter((vm) => vm?.host === name);
    const host = await findHost(hostId(name));
    expect(host).toMatchObject({
      outgoing: new Set(),
      incoming: new Set(),
      preparingOut: new Set(),
      preparingIn: new Set(),
      rateOut: 0,
      rateIn: 0,
      reservedBytes: here.length * GiB,
    });
    const members = here.filter((vm) => (vm?.affinities ?? []).length > 0).map((vm) => vm?.id);
    expect(host?.apart.x ?? []).toEqual(members);
  }
}

function actorsOf(draw: Random, ids: readonly MigrationId[]): Map<string, () => Promise<unknown>> {
  const actors = new Map<string, () => Promise<unknown>>();
  const hosts = ["a", "b", "c"] as const;
  for (const vm of vms) {
    const to = draw.pick(hosts);
    if (draw.next() < 0.8) actors.set(`begin ${vm}`, () => begin(vm, to));
  }
  for (const id of ids) {
    const how = draw.pick(["completed", "failed", "cancel", "wait", "start", "nothing"] as const);
    if (how === "wait") actors.set(`wait ${id}`, () => wait(id));
    if (how === "start") actors.set(`start ${id}`, () => start(id));
    if (how === "cancel") {
      actors.set(`cancel ${id}`, async () => {
        await requestCancel(id);
        await end(id, "failed");
      });
    }
    if (how === "completed" || how === "failed") actors.set(`end ${id}`, () => end(id, how));
  }
  return actors;
}

async function startFleet(): Promise<void> {
  cloud = await startTestCloud();
  overrideTransport("DYNAMODB", interleaving.observe(cloud.transports.DYNAMODB) as never);
  const agents: TestAgent[] = [];
  for (const [name, slots] of Object.entries(SLOTS)) {
    const limits = { slotsOut: slots, slotsIn: slots, prepareAhead: PLACES[name] };
    const agent = await addHost(name, limits);
    await agent.send("register", { host: name, facts: { ...facts, memoryBytes: 6 * GiB } });
    const links = { linkOutBytesPerSecond: LINK, linkInBytesPerSecond: LINK };
    await operate("PATCH", `/v1/hosts/${name}`, links);
    agents.push(agent);
  }
  for (const [place, vm] of vms.entries()) {
    const agent = agents[place % agents.length] as TestAgent;
    await addVm(vm, agent, { ...definition, memoryBytes: GiB });
    const affinities = place < 3 ? [{ group: "x", rule: "apart" }] : null;
    const tenant = place % 2 === 0 ? TENANT : null;
    await operate("PATCH", `/v1/vms/${vm}`, { affinities, tenant });
  }
  await writeTenantLimit(TENANT, TENANT_LIMIT);
}

/** One test for each seed. */
export function testInterleavings(seeds: readonly number[]): void {
  beforeAll(startFleet);
  afterAll(() => cloud.close());

  it.each(seeds)(
    "overshoot no limit and leave nothing over (seed %d)",
    async (seed) => {
      const draw = random(seed);
      for (let round = 0; round < ROUNDS; round += 1) {
        const actors = actorsOf(draw, await running());
        const chance = { ...draw, deathRate: DEATH_RATE };
        const dead = await interleaving.run(actors, chance, expectLimits);
        // What died is done again, as its workflow does.
        for (const name of dead) await actors.get(name)?.();
      }
      for (let left = await running(); left.length > 0; left = await running()) {
        for (const id of left) await end(id, draw.pick(["completed", "failed"]));
        await expectLimits();
      }
      await expectNothingLeft();
    },
    120_000,
  );
}
