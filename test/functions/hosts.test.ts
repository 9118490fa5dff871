import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HostId } from "../../core/id.ts";
import { cordonHost, endDrain, liftCordon } from "../../functions/service/cordon-host.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition, facts, GiB, hostId, smallDefinition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";
import { recordOf } from "./testing/two-hosts.ts";

let cloud: TestCloud;
let count = 0;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.close());

const hostOf = async (id: string) => (await operate("GET", `/v1/hosts/${id}`)).body;

/** Two hosts of their own for one test. */
async function pair(slots?: {
  slotsOut: number;
  slotsIn: number;
}): Promise<[TestAgent, TestAgent]> {
  count += 1;
  return [await addHost(`a-${count}`, slots), await addHost(`b-${count}`, slots)];
}

describe("what an operator sets of a host", () => {
  it("stays when its agent registers again with other facts", async () => {
    const [agent] = await pair();
    const path = `/v1/hosts/${agent.host}`;
    await operate("PATCH", path, { labels: { rack: "7" }, slotsOut: 1, linkInBytesPerSecond: 5e8 });
    await operate("POST", `${path}/cordon`, { owner: "ops", message: "disk swap" });
    const before = await hostOf(agent.host);
    const other = { ...facts, memoryBytes: 16 * GiB, kernel: "6.12.0", bootId: "another" };
    await agent.send("register", { host: agent.host, facts: other });
    await agent.emit();
    expect(await hostOf(agent.host)).toEqual({
      ...before,
      facts: other,
      usage: {
        outgoing: 0,
        incoming: 0,
        preparingOut: 0,
        preparingIn: 0,
        reservedBytes: 0,
        memoryBytes: 16 * GiB,
      },
      lastEventAt: expect.any(String),
      heardAt: expect.any(String),
    });
    expect(before).toMatchObject({
      state: "cordoned",
      labels: { rack: "7" },
      slotsOut: 1,
      slotsIn: 2,
      linkInBytesPerSecond: 5e8,
    });
  });

  it("is changed field by field, and removed by null", async () => {
    const [{ host }] = await pair();
    const path = `/v1/hosts/${host}`;
    await operate("PATCH", path, { labels: { rack: "7", row: "b" }, linkOutBytesPerSecond: 1e9 });
    const { status, body } = await operate("PATCH", path, {
      labels: { row: null },
      linkOutBytesPerSecond: null,
      slotsIn: 5,
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ labels: { rack: "7" }, slotsIn: 5, slotsOut: 2 });
    expect(body).not.toHaveProperty("linkOutBytesPerSecond");
  });

  it("is kept when many requests change it at the same moment", async () => {
    const [{ host }] = await pair();
    const changes = Array.from({ length: 5 }, (_, n) =>
      operate("PATCH", `/v1/hosts/${host}`, { labels: { [`l${n}`]: "x" } }),
    );
    const answers = await Promise.all(changes);
    const done = answers.flatMap(({ status }, n) => (status === 200 ? [`l${n}`] : []));
    expect(done.length).toBeGreaterThan(0);
    expect(Object.keys((await hostOf(host)).labels as object).sort()).toEqual(done);
  });

  it.each([
    [{}, "body"],
    [{ slotsIn: 0 }, "slotsIn"],
    [{ labels: { "a b": "x" } }, "labels"],
    [{ linkInBytesPerSecond: 0 }, "linkInBytesPerSecond"],
    [{ state: "active" }, "state"],
  ])("is refused for %j", async (change, field) => {
    const [{ host }] = await pair();
    const { status, body } = await operate("PATCH", `/v1/hosts/${host}`, change);
    expect(status).toBe(422);
    expect(JSON.stringify(body.errors)).toContain(field);
  });

  it.each([
    ["PATCH", "", { slotsIn: 1 }],
    ["POST", "/cordon", {}],
    ["POST", "/uncordon", {}],
  ])("is refused for a host that does not exist: %s %s", async (method, path, body) => {
    expect(await operate(method, `/v1/hosts/nobody${path}`, body)).toMatchObject({
      status: 404,
      body: { code: "host-not-found" },
    });
  });
});

describe("cordons", () => {
  it("of one owner end alone, and keep their owner, message and time", async () => {
    const [{ host }] = await pair();
    const first = await operate("POST", `/v1/hosts/${host}/cordon`, {
      owner: "ops",
      message: "disk swap",
    });
    const cordons = first.body.cordons;
    await cordonHost(hostId(host), { owner: "evac_1", kind: "evacuation", drains: true });
    expect(await hostOf(host)).toMatchObject({ state: "draining" });
    await endDrain(hostId(host), { owner: "evac_1", kind: "evacuation" });
    expect(await hostOf(host)).toMatchObject({ state: "cordoned" });
    await liftCordon(hostId(host), { owner: "evac_1", kind: "evacuation" });
    expect(await hostOf(host)).toMatchObject({ state: "cordoned", cordons });
  });

  it("are all ended by uncordon, which says whose they were", async () => {
    const [{ host }] = await pair();
    await operate("POST", `/v1/hosts/${host}/cordon`, { owner: "ops" });
    await operate("POST", `/v1/hosts/${host}/cordon`, { owner: "ann", message: "noise" });
    const { body } = await operate("POST", `/v1/hosts/${host}/uncordon`, { owner: "bob" });
    expect(body).toMatchObject({
      host: { state: "active", cordons: [] },
      cleared: [{ owner: "ops" }, { owner: "ann", message: "noise" }],
    });
    const again = await operate("POST", `/v1/hosts/${host}/uncordon`, {});
    expect(again).toMatchObject({ status: 200, body: { cleared: [] } });
  });

  it("refuse new guests with code, owner and cure, and let them go", async () => {
    const [source, target] = await pair();
    const vm = `vm-${count}`;
    await addVm(vm, source);
    await operate("POST", `/v1/hosts/${target.host}/cordon`, {
      owner: "ops",
      message: "disk swap",
    });
    const refused = await operate("POST", "/v1/migrations", { vm, target: target.host });
    expect(refused).toMatchObject({ status: 409, body: { code: "cordoned" } });
    expect(refused.body.detail).toMatch(/cordoned by ops since .*: disk swap.*Uncordon/);
    const started = await operate("POST", "/v1/vms", { id: "x", host: target.host, definition });
    expect(started).toMatchObject({ status: 409, body: { code: "cordoned" } });
    await operate("POST", `/v1/hosts/${target.host}/uncordon`, {});
    await operate("POST", `/v1/hosts/${source.host}/cordon`, {});
    expect(await addMigration(vm, target.host)).toMatchObject({ status: "running" });
  });

  it("allow a guest that runs there already to be adopted", async () => {
    const [{ host }] = await pair();
    await cordonHost(hostId(host), { owner: "evac_1", kind: "evacuation", drains: true });
    const adopt = { qmpPath: "/run/qmp.sock" };
    const id = `found-${count}`;
    const request = { id, host, definition: smallDefinition, adopt };
    expect(await operate("POST", "/v1/vms", request)).toMatchObject({ status: 202 });
  });
});

describe("a migration that waits for a slot", () => {
  /** Its target has one slot, which another migration holds. */
  async function waiting() {
    const [source, target] = await pair({ slotsOut: 9, slotsIn: 1 });
    const first = `first-${count}`;
    const second = `second-${count}`;
    for (const vm of [first, second]) await addVm(vm, source, smallDefinition);
    const holder = await addMigration(first, target.host);
    const waiter = await addMigration(second, target.host);
    expect(await admit({ migrationId: waiter.id })).toMatchObject({ admitted: false });
    return { target: target.host, holder, waiter };
  }

  it("is refused in its turn when its target has been cordoned", async () => {
    const { target, waiter } = await waiting();
    await cordonHost(HostId.parse(target), { owner: "ops", kind: "person", message: "disk" });
    await expect(admit({ migrationId: waiter.id })).rejects.toMatchObject({ name: "HostClosed" });
    const end = { migrationId: waiter.id, action: "end", error: "HostClosed", cause: "" };
    await endMigration(end);
    expect(await recordOf(waiter.id)).toMatchObject({
      status: "failed",
      failure: { code: "cordoned", message: expect.stringMatching(/by ops/), phase: "admit" },
    });
  });

  it("is woken with a failure when a slot is released on a target that was cordoned", async () => {
    const { target, holder, waiter } = await waiting();
    expect(await admit({ migrationId: waiter.id, taskToken: "turn" })).toMatchObject({
      admitted: false,
    });
    await cordonHost(HostId.parse(target), { owner: "ops", kind: "person" });
    await endMigration({ migrationId: holder.id, action: "end", error: "X", cause: "" });
    expect(cloud.stub.ended).toContainEqual(
      expect.objectContaining({ token: "turn", ok: false, error: "MigrationFailed" }),
    );
    expect(await recordOf(waiter.id)).toMatchObject({ failure: { code: "cordoned" } });
  });

  it("shows its place, what it waits for, and until when", async () => {
    const { target, waiter } = await waiting();
    const before = await operate("GET", `/v1/migrations/${waiter.id}`);
    expect(before.body.queue).toMatchObject({
      waitsFor: [`${target}'s slots in: 1 of 1 are taken`],
    });
    await admit({ migrationId: waiter.id, taskToken: "place" });
    const { body } = await operate("GET", `/v1/migrations/${waiter.id}`);
    expect(body.queue).toMatchObject({
      place: 1,
      deadlineAt: new Date(Date.parse(waiter.createdAt) + 3_600_000).toISOString(),
    });
    await operate("PATCH", `/v1/hosts/${target}`, { slotsIn: 2 });
    expect((await operate("GET", `/v1/migrations/${waiter.id}`)).body).not.toHaveProperty("queue");
  });

  it("gives up at its policy's deadline, and names the limits", async () => {
    const { target, waiter } = await waiting();
    const late = { migrationId: waiter.id, waitedMs: 3_600_000 };
    await expect(admit(late)).rejects.toMatchObject({ name: "QueueDeadline" });
    const error = { error: "QueueDeadline", cause: "" };
    await endMigration({ migrationId: waiter.id, action: "end", ...error });
    expect(await recordOf(waiter.id)).toMatchObject({
      failure: { code: "queue-deadline", message: expect.stringContaining(`${target}'s slots in`) },
    });
  });

  it("is admitted when its target gets more slots, or is uncordoned", async () => {
    const { target, waiter } = await waiting();
    expect(await admit({ migrationId: waiter.id, taskToken: "more" })).toMatchObject({
      admitted: false,
    });
    await operate("PATCH", `/v1/hosts/${target}`, { slotsIn: 2 });
    expect(cloud.stub.ended).toContainEqual(expect.objectContaining({ token: "more", ok: true }));
  });
});

it("a cordon that is written admits nothing, whatever runs beside it", async () => {
  const [source, target] = await pair({ slotsOut: 64, slotsIn: 64 });
  const vms = Array.from({ length: 8 }, (_, n) => `race-${n}`);
  for (const vm of vms) await addVm(vm, source, smallDefinition);
  let cordonedAt = Number.POSITIVE_INFINITY;
  const moves = vms.map(async (vm) => {
    const { status, body } = await operate("POST", "/v1/migrations", { vm, target: target.host });
    return { status, id: String(body.id) };
  });
  const cordoning = cordonHost(hostId(target.host), { owner: "ops", kind: "person" }).then(() => {
    cordonedAt = performance.now();
  });
  const made = await Promise.all(moves);
  await cordoning;
  expect(cordonedAt).toBeLessThan(Number.POSITIVE_INFINITY);
  const items = await cloud.scan();
  const held = (id: string) => items.find(({ pk, sk }) => pk === `MIG#${id}` && sk === "META");
  const incoming = items.find(({ pk, sk }) => pk === `HOST#${target.host}` && sk === "META");
  const admitted = made.filter(({ id }) => held(id)?.slots === "held").map(({ id }) => id);
  expect([...((incoming?.incoming as Set<string>) ?? [])].sort()).toEqual(admitted.sort());
  // What was written without slots is refused in its turn.
  for (const { status, id } of made) {
    if (status !== 202 || admitted.includes(id)) continue;
    await expect(admit({ migrationId: id })).rejects.toMatchObject({ name: "HostClosed" });
  }
});
