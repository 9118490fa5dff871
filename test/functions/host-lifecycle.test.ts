import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { queues } from "../../functions/runtime/clients.ts";
import { cordonHost } from "../../functions/service/cordon-host.ts";
import { readFleet } from "../../functions/service/read-fleet.ts";
import { keys } from "../../functions/store/keys.ts";
import { updateIf } from "../../functions/store/table.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { facts, hostId, smallDefinition } from "./testing/fixtures.ts";
import {
  addHost,
  addMigration,
  addVm,
  arrive,
  operate,
  post as postSigned,
  silence,
  type TestAgent,
} from "./testing/fleet.ts";

let cloud: TestCloud;
let count = 0;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.close());

/** Two hosts of their own for one test, with a guest on the first one. */
async function pair(): Promise<{ a: TestAgent; b: TestAgent; vm: string }> {
  count += 1;
  const a = await addHost(`a-${count}`);
  const b = await addHost(`b-${count}`);
  const vm = `vm-${count}`;
  await addVm(vm, a, smallDefinition);
  return { a, b, vm };
}

const hostOf = async (id: string) => (await operate("GET", `/v1/hosts/${id}`)).body;
const post = (host: string, action: string, body: unknown = {}) =>
  operate("POST", `/v1/hosts/${host}/${action}`, body);

async function move(vm: string, target: TestAgent): Promise<string> {
  const made = await addMigration(vm, target.host);
  await admit({ migrationId: made.id });
  await arrive(target, made);
  await complete({ migrationId: made.id });
  return made.id;
}

describe("maintenance", () => {
  it("is refused while the host has a guest, and names it", async () => {
    const { a, vm } = await pair();
    const refused = await post(a.host, "maintenance", { owner: "ops" });
    expect(refused).toMatchObject({ status: 409, body: { code: "host-not-empty", vms: [vm] } });
    expect(refused.body.detail).toContain(`1 VMs: ${vm} (running)`);
    expect(await hostOf(a.host)).toMatchObject({ state: "active" });
  });

  it("is refused while a migration is on its way there, and names it", async () => {
    const { b, vm } = await pair();
    const { id } = await addMigration(vm, b.host);
    const refused = await post(b.host, "maintenance");
    expect(refused.body).toMatchObject({ code: "host-not-empty", migrations: [id] });
  });

  it("keeps guests away until the host is returned, whatever its agent does", async () => {
    const { a, b, vm } = await pair();
    await move(vm, b);
    const { status, body } = await post(a.host, "maintenance", { owner: "ops", message: "RAM" });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      state: "maintenance",
      stateBy: { owner: "ops", message: "RAM" },
      stateSince: expect.any(String),
    });
    const boot = { ...facts, bootId: "another", kernel: "7.0.0" };
    await a.send("register", { host: a.host, facts: boot, guests: [] });
    await a.emit({ type: "guest.exited", vm: vm as never, detail: "old" });
    expect(await hostOf(a.host)).toMatchObject({ state: "maintenance", facts: boot });
    const refused = await operate("POST", "/v1/migrations", { vm, target: a.host });
    expect(refused).toMatchObject({ status: 409, body: { code: "host-maintenance" } });
    expect(refused.body.detail).toMatch(/is maintenance since .*Return the host/);
    const back = await post(a.host, "return");
    expect(back.body).toMatchObject({ state: "active" });
    expect(back.body).not.toHaveProperty("stateBy");
    expect(await addMigration(vm, a.host)).toMatchObject({ status: "running" });
  });

  it("is asked for twice without a change", async () => {
    const { a, b, vm } = await pair();
    await move(vm, b);
    const first = await post(a.host, "maintenance", { owner: "ops" });
    const again = await post(a.host, "maintenance", { owner: "ann" });
    expect(again).toMatchObject({ status: 200, body: first.body });
  });

  it("never begins together with an admission", async () => {
    const { a, b, vm } = await pair();
    await move(vm, b);
    const [maintained, moved] = await Promise.all([
      post(a.host, "maintenance"),
      operate("POST", "/v1/migrations", { vm, target: a.host }),
    ]);
    const items = await cloud.scan();
    const meta = items.find(({ pk, sk }) => pk === `HOST#${a.host}` && sk === "META");
    const isHeld = (meta?.incoming as Set<string> | undefined)?.has(String(moved.body.id)) === true;
    expect(maintained.status === 200 && isHeld).toBe(false);
    expect(maintained.status === 200 || isHeld).toBe(true);
  });
});

describe("return", () => {
  it("ends the cordons of evacuations that are over, and no others", async () => {
    const { a } = await pair();
    await post(a.host, "cordon", { owner: "ops", message: "disk swap" });
    const { cordons } = await hostOf(a.host);
    await cordonHost(hostId(a.host), { owner: "evac_1", kind: "evacuation" });
    const { body } = await post(a.host, "return");
    expect(body).toMatchObject({ state: "cordoned", cordons });
  });

  it("is refused while an evacuation drains the host", async () => {
    const { a } = await pair();
    await cordonHost(hostId(a.host), { owner: "evac_1", kind: "evacuation", drains: true });
    const refused = await post(a.host, "return");
    expect(refused).toMatchObject({ status: 409, body: { code: "host-draining" } });
  });
});

describe("retiring", () => {
  it("is refused while records of VMs name the host, and lists them", async () => {
    const { a, vm } = await pair();
    await a.emit({ type: "guest.exited", vm: vm as never, detail: "it ended" });
    const refused = await post(a.host, "retire");
    expect(refused).toMatchObject({ status: 409, body: { code: "host-not-empty", vms: [vm] } });
    expect(refused.body.detail).toContain(`${vm} (ended)`);
    await operate("DELETE", `/v1/vms/${vm}`);
    expect(await post(a.host, "retire")).toMatchObject({ status: 200, body: { state: "retired" } });
  });

  it("removes the queue, refuses the agent, and is asked for twice without a change", async () => {
    const { b } = await pair();
    const first = await post(b.host, "retire", { owner: "ops" });
    expect(first.body).toMatchObject({ state: "retired", stateBy: { owner: "ops" } });
    const queue = new GetQueueAttributesCommand({ QueueUrl: b.queueUrl });
    await expect(queues().send(queue)).rejects.toMatchObject({ name: "QueueDoesNotExist" });
    expect(await b.send("register", { host: b.host, facts })).toMatchObject({ status: 401 });
    expect(await post(b.host, "retire")).toMatchObject({ status: 200, body: first.body });
    for (const action of ["cordon", "maintenance", "return"]) {
      expect((await post(b.host, action)).body).toMatchObject({ code: "host-retired" });
    }
    expect((await readFleet()).snapshot.hosts.map(({ id }) => id as string)).not.toContain(b.host);
  });

  it("goes on where it was when the queue could not be removed", async () => {
    const { b } = await pair();
    await updateIf({
      key: keys.host(b.host),
      update: "SET #state = :retiring",
      values: { ":retiring": "retiring" },
    });
    expect((await post(b.host, "retire")).body).toMatchObject({ state: "retired" });
  });

  it("leaves the name to a new host", async () => {
    const { b } = await pair();
    await operate("PATCH", `/v1/hosts/${b.host}`, { labels: { rack: "7" } });
    await post(b.host, "retire");
    const again = await addHost(b.host);
    expect(await b.send("events", { version: 1, host: b.host, events: [] })).toMatchObject({
      status: 401,
    });
    expect(again.key.id).not.toBe(b.key.id);
    expect(await hostOf(b.host)).toMatchObject({ state: "active", labels: {} });
  });
});

describe("a host that has not been heard", () => {
  it("is shown as silent in every answer, and no VM changes by that", async () => {
    const { a, vm } = await pair();
    const past = await silence(a);
    const shown = { state: "silent", silentSince: past, heardAt: past };
    expect(await hostOf(a.host)).toMatchObject(shown);
    const { body } = await operate("GET", "/v1/hosts?limit=100");
    const listed = (body.items as { id: string }[]).find(({ id }) => id === a.host);
    expect(listed).toMatchObject(shown);
    expect((await post(a.host, "cordon")).body).toMatchObject(shown);
    expect((await operate("GET", `/v1/vms/${vm}`)).body).toMatchObject({ state: "running" });
    const { snapshot } = await readFleet();
    expect(snapshot.hosts.find(({ id }) => id === a.host)).toMatchObject({ state: "silent" });
  });

  it("gets no guests, and gives none away", async () => {
    const { a, b, vm } = await pair();
    await silence(b);
    const silent = { status: 503, body: { code: "host-silent" } };
    expect(await operate("POST", "/v1/migrations", { vm, target: b.host })).toMatchObject(silent);
    const start = { id: "x", host: b.host, definition: smallDefinition };
    expect(await operate("POST", "/v1/vms", start)).toMatchObject(silent);
    await silence(a);
    await b.send("register", { host: b.host, facts });
    expect(await operate("POST", "/v1/migrations", { vm, target: b.host })).toMatchObject(silent);
  });

  it("is heard again by one heartbeat of its newest agent", async () => {
    const { b } = await pair();
    await silence(b);
    const other = await b.send("heartbeat", { host: b.host, instance: "i-0" });
    expect(other).toMatchObject({ status: 409, body: { code: "superseded" } });
    expect(await hostOf(b.host)).toMatchObject({ state: "silent" });
    const heard = await b.send("heartbeat", { host: b.host, instance: "i-1" });
    expect(heard).toMatchObject({ status: 200, body: { host: b.host } });
    expect(await hostOf(b.host)).toMatchObject({ state: "active" });
    expect(await hostOf(b.host)).not.toHaveProperty("silentSince");
  });

  it("is told who it is by its key, which changes nothing", async () => {
    const { b } = await pair();
    await silence(b);
    const answer = await b.send("check", { host: b.host });
    expect(answer).toMatchObject({ status: 200, body: { host: b.host, queueUrl: b.queueUrl } });
    expect(await hostOf(b.host)).toMatchObject({ state: "silent" });
    const { a } = await pair();
    const other = await b.send("check", { host: a.host });
    expect(other).toMatchObject({ status: 401, body: { code: "unauthorized" } });
  });

  it("shows how far its clock was ahead or behind at its last heartbeat", async () => {
    const { b } = await pair();
    for (const offsetMs of [90_000, -90_000]) {
      const body = JSON.stringify({ host: b.host, instance: "i-1" });
      const at = new Date(Date.now() + offsetMs).toISOString();
      const path = "/agent/v1/heartbeat";
      const headers = b.key.headers(b.host, path, body, { at });
      expect(await postSigned("heartbeat", body, headers)).toMatchObject({ status: 200 });
      const { clockOffsetMs } = (await hostOf(b.host)) as { clockOffsetMs: number };
      expect(clockOffsetMs).toBeLessThanOrEqual(offsetMs);
      expect(clockOffsetMs).toBeGreaterThan(offsetMs - 30_000);
    }
  });

  it("is not called silent when its agent is of a version without heartbeats", async () => {
    const { b } = await pair();
    const past = new Date(Date.now() - 600_000).toISOString();
    await updateIf({
      key: keys.hostHeard(b.host),
      update: "SET #lastEventAt = :past",
      values: { ":past": past },
    });
    expect(await hostOf(b.host)).toMatchObject({ state: "active", heardAt: past });
  });
});
