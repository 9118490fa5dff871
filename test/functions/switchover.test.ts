import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import type { SourceProbe } from "../../core/protocol/probe.ts";
import { handler as ackExpired } from "../../functions/task/ack-expired.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as awaitSignal } from "../../functions/task/await-signal.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { handler as negotiate } from "../../functions/task/negotiate.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { facts, prepared, smallDefinition, sourceProbe, targetProbe } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, arrive, operate, type TestAgent } from "./testing/fleet.ts";
import { relay } from "./testing/relay.ts";

type Policy = Parameters<typeof addMigration>[2];

const device = { id: "vf0", type: "vfio-pci", deviceClass: "pci 15b3:101e", properties: {} };
const withDevice: SourceProbe = { ...sourceProbe, memoryBytes: 2 ** 20, vfioDevices: [device] };

let cloud: TestCloud;
let source: TestAgent;
let target: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a", { slotsOut: 64, slotsIn: 64 });
  target = await addHost("host-b", { slotsOut: 64, slotsIn: 64 });
});
afterAll(() => cloud.close());

let count = 0;
let vm = "";
beforeEach(() => {
  count += 1;
  vm = `vm-${count}`;
});

describe("a gate", () => {
  it("holds the source; the permit is sent to its agent, once", async () => {
    const { id } = await begin({ switchover: { mode: "gated" } });
    expect(await permit(id)).toMatchObject({ status: 409, body: { code: "not-gated" } });
    await agree(id);
    const started = await start(id);
    expect(started).toMatchObject({ gate: {} });
    await emit(id, { type: "migration.held" });
    expect((await permit(id)).status).toBe(202);
    const [command] = await source.take();
    expect(command).toMatchObject({ verb: "source.permit", migrationId: id });
    await emit(id, { type: "migration.gate-opened", by: "command" });
    expect((await record(id)).gate).toMatchObject({
      reason: "gated",
      permittedBy: "operator",
      heldAtMs: expect.any(Number),
      openedAtMs: expect.any(Number),
    });
  });

  it("does not hold a source that was permitted before its start", async () => {
    const { id } = await begin({ switchover: { mode: "gated" } });
    await agree(id);
    await permit(id);
    await source.take();
    expect(await start(id)).not.toHaveProperty("gate");
  });

  it("sends a permit again that overtook the start, when the source holds", async () => {
    const { id } = await begin({ switchover: { mode: "gated" } });
    await agree(id);
    expect(await start(id)).toMatchObject({ gate: {} });
    await permit(id);
    const [early] = await source.take();
    await emit(id, { type: "migration.held" });
    const [again] = await source.take();
    expect(again).toMatchObject({ verb: "source.permit", migrationId: id });
    expect(again?.id).not.toBe(early?.id);
  });

  it("exists only by policy, and not while the migration is being cancelled", async () => {
    const { id } = await begin({});
    await agree(id);
    expect(await permit(id)).toMatchObject({ status: 409, body: { code: "not-gated" } });
    const gated = await begin({ switchover: { mode: "gated" } }, "vm-cancelled");
    await agree(gated.id);
    await operate("POST", `/v1/migrations/${gated.id}/cancel`);
    expect(await permit(gated.id)).toMatchObject({
      status: 409,
      body: { code: "migration-cancelling" },
    });
  });

  it("permits a group together, when its last member is ready", async () => {
    const group = { name: `pair-${count}`, size: 2 };
    const policy: Policy = { switchover: { mode: "gated", group } };
    const one = await begin(policy, "vm-one");
    const two = await begin(policy, "vm-two");
    for (const { id } of [one, two]) await agree(id);
    await emit(one.id, { type: "migration.held" }, "vm-one");
    expect((await source.take()).map(({ verb }) => verb)).toEqual([]);
    await emit(two.id, { type: "migration.held" }, "vm-two");
    const permitted = (await source.take()).filter(({ verb }) => verb === "source.permit");
    expect(permitted.map(({ migrationId }) => migrationId).sort()).toEqual([one.id, two.id].sort());
    expect((await record(one.id)).gate).toMatchObject({ permittedBy: "group" });
  });

  it("begins a group anew when its name is used again, without members that have left", async () => {
    const policy: Policy = {
      switchover: { mode: "gated", group: { name: `nightly-${count}`, size: 2 } },
    };
    const hold = async (name: string) => {
      const made = await begin(policy, `${name}-${count}`);
      await agree(made.id);
      await emit(made.id, { type: "migration.held" }, `${name}-${count}`);
      return made.id;
    };
    const permitted = async () =>
      (await source.take()).filter(({ verb }) => verb === "source.permit").length;
    await hold("night-1a");
    await hold("night-1b");
    expect(await permitted()).toBe(2);
    const cancelled = await hold("night-2a");
    const error = { error: "MigrationCancelled", cause: "asked" };
    await endMigration({ migrationId: cancelled, action: "end", reason: "r", ...error });
    await hold("night-2b");
    expect(await permitted()).toBe(0);
    await hold("night-2c");
    expect(await permitted()).toBe(2);
  });
});

describe("a downtime budget", () => {
  it("is reduced by the load times that earlier moves took, or exceeded by them", async () => {
    const first = await begin({ capabilities: { "switchover-ack": "forbid" } }, "vm-learner");
    await agree(first.id, withDevice);
    await finish(first.id, "vm-learner", 2_100);
    expect((await record(first.id)).prediction).toMatchObject({ loadMs: 0, errorMs: 1_800 });

    const second = await begin(
      { capabilities: { "switchover-ack": "forbid" }, downtimeBudgetMs: 500 },
      "vm-other",
    );
    await expect(agree(second.id, withDevice)).rejects.toThrow(/2100 ms .*pci 15b3:101e/);
    expect((await record(second.id)).failure).toMatchObject({ code: "downtime-budget" });
    await endMigration({
      migrationId: second.id,
      action: "end",
      reason: "r",
      error: "E",
      cause: "",
    });

    const held = await begin(
      {
        capabilities: { "switchover-ack": "forbid" },
        downtimeBudgetMs: 500,
        onBudgetExceeded: "hold",
      },
      "vm-held",
    );
    await agree(held.id, withDevice);
    expect(await record(held.id)).toMatchObject({
      gate: { reason: "budget" },
      prediction: { loadMs: 2_100, learnedFrom: "pci 15b3:101e" },
    });

    const roomy = await begin(
      { capabilities: { "switchover-ack": "forbid" }, downtimeBudgetMs: 2_500 },
      "vm-roomy",
    );
    await agree(roomy.id, withDevice);
    const { agreement, prediction } = await record(roomy.id);
    expect(agreement?.source.parameters["downtime-limit"]).toBe(400);
    expect(prediction).toMatchObject({ downtimeMs: 2_500 });
  });

  it("ignores, with the ACK, load times that were learned without it", async () => {
    const { id } = await begin({ downtimeBudgetMs: 500 });
    await agree(id, withDevice);
    expect(await record(id)).toMatchObject({ prediction: { loadMs: 0 } });
  });
});

describe("an overdue ACK", () => {
  const overdue = async (policy: Policy) => {
    const { id } = await begin(policy);
    await agree(id, withDevice);
    await start(id);
    await awaitSignal({
      migrationId: id,
      taskToken: `ack-${id}`,
      signal: "acked",
      phase: "await-ack",
    });
    const decided = await ackExpired({ migrationId: id });
    expect(await ackExpired({ migrationId: id })).toMatchObject({ action: decided.action });
    return { id, decided };
  };
  const takeBack = (migrationId: string) =>
    endMigration({ migrationId, action: "end", reason: "r", error: "AckTimeout", cause: "late" });

  it("is awaited further, by policy, until an operator waives it", async () => {
    const { id, decided } = await overdue({ ack: { deadlineMs: 1_000, onTimeout: "hold" } });
    expect(decided).toMatchObject({ action: "hold", reason: expect.stringContaining("1000 ms") });
    const waived = await operate("POST", `/v1/migrations/${id}/waive-ack`);
    expect(waived.status).toBe(202);
    expect(cloud.stub.ended.find(({ token }) => token === `ack-${id}`)).toMatchObject({
      error: "AckWaived",
    });
    await takeBack(id);
    const { successor, failure } = await record(id);
    expect(failure).toMatchObject({ code: "ack-waived" });
    expect((await record(String(successor))).policy.capabilities).toEqual({
      "switchover-ack": "forbid",
    });
  });

  it("ends the migration, by policy, with the deadline and the device in the record", async () => {
    const { id, decided } = await overdue({ ack: { deadlineMs: 1_000 } });
    expect(decided.action).toBe("give-up");
    await takeBack(id);
    await takeBack(id);
    const ended = await record(id);
    expect(ended).toMatchObject({ status: "failed", failure: { code: "ack-timeout" } });
    expect(ended.failure?.message).toContain("vf0");
    expect(ended.successor).toBeUndefined();
  });

  it("has, by policy, one successor without the ACK, which takes the lock", async () => {
    const { id } = await overdue({ ack: { deadlineMs: 1_000, onTimeout: "proceed" } });
    await takeBack(id);
    await takeBack(id);
    const { successor } = await record(id);
    const next = await record(String(successor));
    expect(next).toMatchObject({ status: "running", predecessor: id, vm });
    expect((await operate("GET", `/v1/vms/${vm}`)).body.lockedBy).toBe(successor);
    expect(cloud.stub.executions.has(String(successor))).toBe(true);
  });

  it("has no successor when that would exceed the budget", async () => {
    const { id } = await overdue({
      ack: { deadlineMs: 1_000, onTimeout: "proceed" },
      downtimeBudgetMs: 1_000,
    });
    await takeBack(id);
    const ended = await record(id);
    expect(ended.failure?.message).toContain("budget of 1000 ms");
    expect(ended.successor).toBeUndefined();
  });
});

describe("a VM that runs at an unknown place", () => {
  it("is reconciled at an operator's request, by the same migration", async () => {
    const { id } = await begin({});
    const freeze = { migrationId: id, action: "freeze", reason: "r", error: "E", cause: "" };
    expect(await reconcileVm()).toMatchObject({ status: 409 });
    await endMigration(freeze);
    const again = await reconcileVm();
    expect(again).toMatchObject({ status: 202, body: { id, status: "running" } });
    expect(cloud.stub.executions.has(`${id}-turn-1`)).toBe(true);
    await endMigration({ ...freeze, action: "end" });
    expect(await record(id)).toMatchObject({ status: "failed", runningOn: "host-a" });
    expect((await operate("GET", `/v1/vms/${vm}`)).body).toMatchObject({ state: "running" });
    expect(await reconcileVm()).toMatchObject({ body: { code: "nothing-to-reconcile" } });
  });
});

const reconcileVm = () => operate("POST", `/v1/vms/${vm}/reconcile`);
const permit = (id: string) => operate("POST", `/v1/migrations/${id}/switchover`);
const record = async (id: string) =>
  (await operate("GET", `/v1/migrations/${id}`)).body as Migration;

async function begin(policy: Policy, name = vm): Promise<Migration> {
  await Promise.all([source.take(), target.take()]);
  await addVm(name, source, smallDefinition);
  const made = await addMigration(name, "host-b", policy);
  await admit({ migrationId: made.id, taskToken: `admit-${made.id}` });
  return made;
}

async function agree(id: string, seen: SourceProbe = { ...sourceProbe, memoryBytes: 2 ** 20 }) {
  const commands = [
    { step: "probe-source", verb: "source.probe", side: "source" },
    { step: "probe-target", verb: "target.probe", side: "target" },
  ];
  const input = { migrationId: id, attempt: 1, interruptible: true, taskToken: `probe-${id}` };
  await relay({ ...input, commands, phase: "probe" });
  await source.complete(seen);
  await target.complete({
    ...targetProbe,
    qemu: { ...facts.qemu, vfioProperties: ["enable-migration"] },
  });
  await negotiate({ migrationId: id });
}

/** Prepares and starts; returns the arguments of `source.start`. */
async function start(id: string): Promise<unknown> {
  const input = { migrationId: id, attempt: 1, interruptible: true, taskToken: `t-${id}` };
  const step = (name: string, verb: string, side: string) => [{ step: name, verb, side }];
  await relay({
    ...input,
    commands: step("prepare", "target.prepare", "target"),
    phase: "prepare",
  });
  await target.complete(prepared);
  const commands = step("start", "source.start", "source");
  await relay({ ...input, commands, phase: "precopy", awaits: "converged" });
  const [command] = await source.take();
  return command?.args;
}

async function emit(id: string, body: object, name = vm) {
  const { epoch } = await record(id);
  await source.emit({ migrationId: id, vm: name, epoch, ...body } as never);
}

async function finish(id: string, name: string, downtimeMs: number) {
  const figures = { downtimeMs, totalTimeMs: 4_000, progress: { status: "completed" } };
  await emit(id, { type: "migration.source-completed", figures, handedOver: true }, name);
  await arrive(target, await record(id));
  await complete({ migrationId: id });
}
