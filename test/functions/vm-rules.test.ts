import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { endNotCompleted } from "../../functions/store/migration-ending.ts";
import { readMigration } from "../../functions/store/migration-record.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition, smallDefinition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, arrive, operate, type TestAgent } from "./testing/fleet.ts";

const apart = (group: string) => ({ affinities: [{ group, rule: "apart" }] });
const hosts: Record<string, TestAgent> = {};
let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
  for (const id of ["host-a", "host-b", "host-c"])
    hosts[id] = await addHost(id, { slotsOut: 64, slotsIn: 64 });
});
afterAll(() => cloud.close());

const agentOf = (id: string) => hosts[id] as TestAgent;

/** A VM that runs there, with its rules. */
async function addRuled(id: string, host: string, rules: object) {
  await addVm(id, agentOf(host), smallDefinition);
  if (Object.keys(rules).length === 0) return;
  const changed = await operate("PATCH", `/v1/vms/${id}`, rules);
  expect(changed).toMatchObject({ status: 200, body: rules });
}

/** Members of a group on a host, by the host's record. */
async function membersOf(host: string, group: string): Promise<string[]> {
  const item = (await cloud.scan()).find(({ pk, sk }) => pk === `HOST#${host}` && sk === "META");
  return [...((item?.[`apart:${group}`] ?? []) as Iterable<string>)];
}

const migrate = (vm: string, target: string) => operate("POST", "/v1/migrations", { vm, target });

async function end(id: string) {
  const migration = await readMigration(id as never);
  const failure = { code: "no", message: "no", state: "", cure: "", phase: "admit" } as const;
  const vm = { place: "source", state: "running" } as const;
  expect(await endNotCompleted(migration, { status: "failed", failure, vm })).toBe(true);
}

describe("what people say of a VM", () => {
  it("is set, kept and removed", async () => {
    const rules = {
      labels: { app: "shop", tier: "1" },
      tenant: "t1",
      requiredLabels: { rack: "7" },
      pinned: { by: "ops", mayEvacuate: true },
    };
    await addRuled("said", "host-a", rules);
    const change = { labels: { tier: null }, tenant: null, pinned: null };
    const { body } = await operate("PATCH", "/v1/vms/said", change);
    expect(body).toMatchObject({ labels: { app: "shop" }, requiredLabels: { rack: "7" } });
    expect(body).not.toHaveProperty("tenant");
    expect(body).not.toHaveProperty("pinned");
  });

  it.each([
    [{}, "body"],
    [{ labels: { a: "b" }, definition }, "definition"],
    [{ acceptDifferences: ["x"], tenant: "t" }, "acceptDifferences"],
    [
      {
        affinities: [
          { group: "g", rule: "apart" },
          { group: "g", rule: "together" },
        ],
      },
      "affinities",
    ],
  ])("is refused as %j", async (change, field) => {
    const { status, body } = await operate("PATCH", "/v1/vms/said", change);
    expect(status).toBe(422);
    expect(body.errors).toContainEqual(expect.objectContaining({ field }));
  });

  it("names disks that move with it wherever a policy names none", async () => {
    const file = { driver: "file", filename: "/images/data" };
    const blockdevs = [{ driver: "qcow2", "node-name": "data", file }];
    const withDisk = VmDefinition.parse({ memoryBytes: 2 ** 26, blockdevs });
    await addVm("with-disk", agentOf("host-a"), withDisk);
    const storage = { data: "move" };
    const change = (asked: object) => operate("PATCH", "/v1/vms/with-disk", { storage: asked });
    expect(await change({ other: "copy" })).toMatchObject({
      status: 422,
      body: { errors: [{ field: "storage.other", rule: expect.stringContaining("has data") }] },
    });
    expect(await change(storage)).toMatchObject({ status: 200, body: { storage } });
    const { body } = await migrate("with-disk", "host-b");
    expect(body).toMatchObject({ policy: { storage } });
    await end(String(body.id));
    const { body: own } = await operate("POST", "/v1/migrations", {
      vm: "with-disk",
      target: "host-b",
      policy: { storage: {} },
    });
    expect(own).toMatchObject({ policy: { storage: {} } });
    await end(String(own.id));
  });

  it("keeps it where a pin or a label requires it", async () => {
    expect(await migrate("said", "host-b")).toMatchObject({
      status: 409,
      body: { code: "label-missing", blockers: [{ code: "label-missing" }] },
    });
    await operate("PATCH", "/v1/vms/said", { pinned: { by: "ops" }, requiredLabels: null });
    expect(await migrate("said", "host-b")).toMatchObject({
      status: 409,
      body: { code: "pinned", detail: expect.stringContaining("pinned to host-a by ops") },
    });
  });
});

describe("VMs that stand apart", () => {
  it("are not started on one host", async () => {
    const start = (id: string, host: string) =>
      operate("POST", "/v1/vms", { id, host, definition: smallDefinition, ...apart("started") });
    expect(await start("s1", "host-b")).toMatchObject({ status: 202, body: apart("started") });
    expect(await start("s2", "host-b")).toMatchObject({
      status: 409,
      body: { code: "anti-affinity", detail: expect.stringContaining("s1 of the group started") },
    });
    const [command] = await agentOf("host-b").take();
    const error = { code: "qemu", message: "no" } as const;
    const commandId = command?.id as never;
    await agentOf("host-b").emit({ type: "command.failed", commandId, error });
    expect(await membersOf("host-b", "started")).toEqual([]);
    expect(await start("s2", "host-b")).toMatchObject({ status: 202 });
    await agentOf("host-b").take();
  });

  it("do not follow one that is on its way, until its try has failed", async () => {
    await addRuled("w1", "host-a", apart("way"));
    await addRuled("w2", "host-b", apart("way"));
    const { id } = await addMigration("w1", "host-c");
    expect(await migrate("w2", "host-c")).toMatchObject({
      status: 409,
      body: { code: "anti-affinity", detail: expect.stringContaining("w1 of the group way") },
    });
    expect(await operate("PATCH", "/v1/vms/w1", { affinities: null })).toMatchObject({
      status: 409,
      body: { code: "vm-locked" },
    });
    await end(id);
    expect(await membersOf("host-a", "way")).toEqual(["w1"]);
    expect(await membersOf("host-c", "way")).toEqual([]);
    await end((await addMigration("w2", "host-c")).id);
  });

  it("leave their place at the source when they have arrived, and at the end", async () => {
    await addRuled("e1", "host-a", apart("ends"));
    const moved = await addMigration("e1", "host-c");
    await arrive(agentOf("host-c"), moved);
    await complete({ migrationId: moved.id });
    expect(await membersOf("host-a", "ends")).toEqual([]);
    expect(await membersOf("host-c", "ends")).toEqual(["e1"]);
    await agentOf("host-c").emit({ type: "guest.exited", vm: "e1" as never, detail: "ended" });
    expect(await membersOf("host-c", "ends")).toEqual([]);
  });

  it("give their place up with the rule, and take it with a new one", async () => {
    await addRuled("r1", "host-a", apart("old"));
    await operate("PATCH", "/v1/vms/r1", apart("new"));
    expect(await membersOf("host-a", "old")).toEqual([]);
    expect(await membersOf("host-a", "new")).toEqual(["r1"]);
    await operate("PATCH", "/v1/vms/r1", { affinities: null });
    expect(await membersOf("host-a", "new")).toEqual([]);
  });

  it("only prefer it: they may share a host, and keep off those that require it", async () => {
    const preferred = { affinities: [{ group: "soft", rule: "apart", strength: "preferred" }] };
    await addRuled("p1", "host-a", preferred);
    await addRuled("p2", "host-a", preferred);
    await addRuled("p3", "host-b", apart("soft"));
    expect(await migrate("p3", "host-a")).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining("p1, p2 of the group soft") },
    });
  });

  it("fail while they wait when another one has come first", async () => {
    await operate("PATCH", "/v1/hosts/host-c", { slotsIn: 1 });
    await addRuled("q0", "host-a", {});
    await addRuled("q1", "host-a", apart("queued"));
    await addRuled("q2", "host-b", apart("queued"));
    const first = await addMigration("q0", "host-c");
    const one = await addMigration("q1", "host-c");
    const two = await addMigration("q2", "host-c");
    await end(first.id);
    expect(await admit({ migrationId: one.id })).toEqual({ admitted: true });
    await expect(admit({ migrationId: two.id })).rejects.toThrow();
    const { failure } = await readMigration(two.id);
    expect(failure).toMatchObject({
      code: "anti-affinity",
      message: expect.stringContaining("q1 of the group queued is there or on its way"),
    });
  });

  it("have the same reasons in the placement", async () => {
    const { body } = await operate("GET", "/v1/vms/q2/placement");
    const { reasons } = body as { reasons: { hosts: string[]; blockers: { code: string }[] }[] };
    const atC = reasons.find(({ hosts }) => hosts.includes("host-c"));
    expect(atC?.blockers.map(({ code }) => code)).toContain("anti-affinity");
  });
});
