import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MigrationId } from "../../core/id.ts";
import { readSignals } from "../../functions/store/signals.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { handler as reconcile } from "../../functions/task/reconcile.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { facts, smallDefinition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, silence, type TestAgent } from "./testing/fleet.ts";

let cloud: TestCloud;
let count = 0;
/** Hosts of their own for each test, with a guest on the first one. */
let a: TestAgent;
let b: TestAgent;
let vm = "";

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.close());
beforeEach(async () => {
  count += 1;
  a = await addHost(`a-${count}`);
  b = await addHost(`b-${count}`);
  vm = `vm-${count}`;
  await addVm(vm, a, smallDefinition);
});

const hostOf = async ({ host }: TestAgent) => (await operate("GET", `/v1/hosts/${host}`)).body;
const vmNow = async () => (await operate("GET", `/v1/vms/${vm}`)).body;
const confirm = ({ host }: TestAgent) =>
  operate("POST", `/v1/hosts/${host}/confirm-down`, { owner: "ops", message: "no power" });

/** A migration of the guest whose end nobody knows. */
async function unknownMigration(): Promise<MigrationId> {
  const { id } = await addMigration(vm, b.host);
  await endMigration({ migrationId: id, action: "freeze", reason: "a side does not answer" });
  return id;
}

/** What the next turn of the way back decides when no side answers. */
async function decide(migrationId: MigrationId) {
  const { action } = await reconcile({ migrationId, turn: 1 });
  return action;
}

describe("a silent host that is confirmed to be down", () => {
  it("has no guests any more: they have failed, and give their memory back", async () => {
    await silence(a);
    const answer = await confirm(a);
    expect(answer).toMatchObject({ status: 200, body: { failed: [vm], reconciling: [] } });
    expect(await vmNow()).toMatchObject({
      state: "failed",
      detail: `ops has confirmed that ${a.host} is down: no power`,
    });
    expect(await hostOf(a)).toMatchObject({
      state: "silent",
      usage: { reservedBytes: 0 },
      down: { owner: "ops", message: "no power", at: expect.any(String) },
    });
    expect(await operate("DELETE", `/v1/vms/${vm}`)).toMatchObject({ status: 204 });
  });

  it("stays so when it is confirmed again", async () => {
    await silence(a);
    await confirm(a);
    const table = await cloud.scan();
    expect(await confirm(a)).toMatchObject({ status: 200, body: { failed: [], reconciling: [] } });
    expect(await cloud.scan()).toEqual(table);
  });

  it("sends a running migration to the way back at once", async () => {
    const { id } = await addMigration(vm, b.host);
    await silence(b);
    expect(await confirm(b)).toMatchObject({
      body: { failed: [], reconciling: [{ vm, migration: id }] },
    });
    expect((await readSignals(id))?.interrupt).toMatchObject({
      kind: "failed",
      detail: expect.stringContaining(`${b.host} is down`),
    });
    expect(await vmNow()).toMatchObject({ state: "migrating", lockedBy: id });
  });

  it.each([
    ["its source: the target must answer", () => [a], "wait"],
    ["its target: the source must answer", () => [b], "wait"],
    ["both of its hosts: it is lost", () => [a, b], "lost"],
  ])("makes an unknown migration decide again, as %s", async (_, hosts, action) => {
    const id = await unknownMigration();
    for (const host of hosts()) await silence(host);
    for (const host of hosts()) {
      expect(await confirm(host)).toMatchObject({
        body: { failed: [], reconciling: [{ vm, migration: id }] },
      });
    }
    const record = (await operate("GET", `/v1/migrations/${id}`)).body;
    expect(record).toMatchObject({ status: "running" });
    expect(await decide(id)).toBe(action);
  });

  it("leaves a migration alone that has nothing to do with it", async () => {
    const other = await addHost(`c-${count}`);
    await unknownMigration();
    await silence(other);
    expect(await confirm(other)).toMatchObject({ body: { failed: [], reconciling: [] } });
    expect(await vmNow()).toMatchObject({ state: "unknown" });
  });

  it("is up again when its agent is heard: then it must answer itself", async () => {
    const id = await unknownMigration();
    await silence(a);
    await confirm(a);
    await a.send("heartbeat", { host: a.host, instance: "i-1" });
    expect(await hostOf(a)).not.toHaveProperty("down");
    expect(await decide(id)).toBe("wait");
    await a.send("register", { host: a.host, facts, instance: "i-2", heartbeatMs: 15_000 });
    await silence(a);
    expect(await hostOf(a)).not.toHaveProperty("down");
  });
});

describe("a host that is not silent cannot be confirmed to be down", () => {
  it.each([
    ["was heard a moment ago", { instance: "i-1", heartbeatMs: 15_000 }, "was heard at"],
    ["promises no heartbeats", {}, "sends no heartbeats"],
  ])("when it %s", async (_, rest, detail) => {
    await a.send("register", { host: a.host, facts, ...rest });
    expect(await confirm(a)).toMatchObject({
      status: 409,
      body: { code: "host-not-silent", detail: expect.stringContaining(detail) },
    });
    expect(await vmNow()).toMatchObject({ state: "running" });
    expect(await hostOf(a)).not.toHaveProperty("down");
  });

  it("when it has never been heard, or is none", async () => {
    await operate("POST", "/v1/hosts", { id: `new-${count}` });
    expect(await operate("POST", `/v1/hosts/new-${count}/confirm-down`, {})).toMatchObject({
      status: 409,
      body: { code: "host-not-silent" },
    });
    expect(await operate("POST", "/v1/hosts/none/confirm-down", {})).toMatchObject({ status: 404 });
  });
});
