import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HostId } from "../../core/id.ts";
import type { Migration } from "../../core/migration/migration.ts";
import { recordHeartbeat } from "../../functions/store/hosts.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as awaitSignal } from "../../functions/task/await-signal.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as negotiate } from "../../functions/task/negotiate.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { figures, GiB, prepared, sourceProbe, targetProbe } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";
import { relay } from "./testing/relay.ts";

let cloud: TestCloud;
let source: TestAgent;
let target: TestAgent;
let made: Migration;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a");
  target = await addHost("host-b");
  await addVm("vm-1", source);
  made = await addMigration("vm-1", "host-b");
});

afterAll(() => cloud.close());

const attempt = 1;
const interruptible = true;
const probes = [
  { step: "probe-source", verb: "source.probe", side: "source" },
  { step: "probe-target", verb: "target.probe", side: "target" },
];
const prepare = [{ step: "prepare", verb: "target.prepare", side: "target" }];
const start = [{ step: "start", verb: "source.start", side: "source" }];
const discard = [{ step: "discard-source", verb: "source.discard", side: "source" }];

/** The steps in order: each test continues where the one before ended, as the workflow does. */
describe("a migration that completes, each task called twice", () => {
  it("starts an execution named after it, with the deadlines as input", () => {
    expect(JSON.parse(cloud.stub.executions.get(made.id) ?? "")).toEqual({
      migrationId: made.id,
      parties: { vm: "vm-1", source: "host-a", target: "host-b" },
      admitted: "held",
      queueSeconds: 3_600,
      precopySeconds: 21_600,
      switchoverSeconds: 108_000,
      ackSeconds: 300,
    });
  });

  it("is admitted: a slot on both hosts, memory on the target", async () => {
    for (let time = 1; time <= 2; time += 1) {
      expect(await admit({ migrationId: made.id })).toEqual({ admitted: true });
    }
    // A wait for the turn ends at once when the migration was admitted before.
    await twice("admit", (taskToken) => admit({ migrationId: made.id, taskToken }));
    expect(ended("admit")).toEqual(["ok"]);
    expect(await row("HOST#host-a")).toMatchObject({ outgoing: new Set([made.id]) });
    expect(await row("HOST#host-b")).toMatchObject({
      incoming: new Set([made.id]),
      reservedBytes: GiB,
    });
  });

  it("probes both sides and waits for both answers", async () => {
    const input = { migrationId: made.id, attempt, interruptible, commands: probes };
    await twice("probe", (taskToken) => relay({ ...input, phase: "probe", taskToken }));
    const [asked] = await source.take();
    expect(asked).toMatchObject({
      id: `${made.id}.probe-source.1`,
      host: "host-a",
      vm: "vm-1",
      epoch: made.epoch,
      verb: "source.probe",
    });
    await answer(source, "probe-source", sourceProbe);
    expect(ended("probe")).toEqual([]);
    await answer(target, "probe-target", targetProbe);
    expect(ended("probe")).toEqual(["ok"]);
    await relay({ ...input, phase: "probe", taskToken: "probe-late" });
    expect(ended("probe-late")).toEqual(["ok"]);
    await source.take();
    await target.take();
  });

  it("negotiates and keeps the agreement, which tells how far the hosts' clocks differ", async () => {
    await recordHeartbeat(HostId.parse("host-a"), { requestSeq: 1_000_000, clockOffsetMs: -20 });
    await recordHeartbeat(HostId.parse("host-b"), { requestSeq: 1_000_000, clockOffsetMs: 4_980 });
    const agreed = await negotiate({ migrationId: made.id });
    expect(agreed).toEqual({ ackMode: expect.any(String) });
    const first = await record();
    expect(await negotiate({ migrationId: made.id })).toEqual(agreed);
    expect(unstamped(await record())).toEqual(unstamped(first));
    expect(first).toMatchObject({
      phase: "negotiate",
      agreement: { machineType: "pc-i440fx-10.0", ackMode: agreed.ackMode },
      ack: { mode: agreed.ackMode },
    });
    expect(first.agreement?.choices).toContainEqual(
      expect.objectContaining({ subject: "host clocks", value: "5000 ms" }),
    );
  });

  it("prepares the target with the resolved machine type and a secret", async () => {
    const input = { migrationId: made.id, attempt, interruptible, commands: prepare };
    await twice("prepare", (taskToken) => relay({ ...input, phase: "prepare", taskToken }));
    const commands = await target.take();
    expect(commands).toHaveLength(2);
    expect(commands[0]?.args).toEqual(commands[1]?.args);
    expect(commands[0]).toMatchObject({
      verb: "target.prepare",
      args: {
        definition: { machine: "pc-i440fx-10.0" },
        handoverKey: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
    await answer(target, "prepare", prepared);
    expect(await record()).toMatchObject({ phase: "prepare", targetStartMs: prepared.startMs });
  });

  it("starts the source with the target's address, and waits until it has converged", async () => {
    const input = { migrationId: made.id, attempt, interruptible, commands: start };
    await twice("start", (taskToken) =>
      relay({ ...input, phase: "precopy", awaits: "converged", taskToken }),
    );
    const [asked] = await source.take();
    expect(asked).toMatchObject({
      verb: "source.start",
      args: {
        migrationUri: prepared.migrationUri,
        handover: prepared.handover,
        precopyDeadlineMs: 21_600_000,
      },
    });
    await answer(source, "start", { startedAtMs: 1 });
    expect(ended("start")).toEqual([]);
    await source.emit(event("migration.started"), {
      ...event("migration.progress"),
      progress: { status: "active", ramRemainingBytes: 5 },
    });
    expect(cloud.stub.beats).toEqual(["start"]);
    await source.emit(event("migration.converged"));
    expect(ended("start")).toEqual(["ok"]);
  });

  it("passes ACK, switchover and confirmation as the hosts emit their events", async () => {
    await wait("acked", "await-ack");
    await source.emit(event("migration.stopped"));
    await wait("source-completed", "switchover");
    await source.emit({ ...event("migration.source-completed"), figures, handedOver: true });
    await wait("target-arrived", "confirm");
    await target.emit({ ...event("migration.target-arrived"), runState: "running" });
    for (const signal of ["acked", "source-completed", "target-arrived"]) {
      expect(ended(signal)).toEqual(["ok"]);
    }
    expect(await record()).toMatchObject({
      phase: "confirm",
      figures,
      stoppedAtMs: expect.any(Number),
      sourceCompletedAtMs: expect.any(Number),
      targetRunningAtMs: expect.any(Number),
    });
  });

  it("completes: the VM is on the target, lock, slots and secret are released", async () => {
    expect(await complete({ migrationId: made.id })).toEqual({ status: "completed" });
    const first = await cloud.scan();
    expect(await complete({ migrationId: made.id })).toEqual({ status: "completed" });
    expect(await cloud.scan()).toEqual(first);
    expect(await record()).toMatchObject({ status: "completed", runningOn: "host-b" });
    expect((await operate("GET", "/v1/vms/vm-1")).body).toEqual(
      expect.objectContaining({ host: "host-b", state: "running", epoch: made.epoch }),
    );
    expect((await operate("GET", "/v1/vms/vm-1")).body).not.toHaveProperty("lockedBy");
    const a = await row("HOST#host-a");
    expect(a).toMatchObject({ reservedBytes: 0 });
    expect(a.outgoing).toBeUndefined();
    const b = await row("HOST#host-b");
    expect(b).toMatchObject({ reservedBytes: GiB });
    expect(b.incoming).toBeUndefined();
    expect(first.filter((item) => item.sk === "SECRET")).toEqual([]);
    const id = `${made.id}.discard-source.1`;
    expect(await source.take()).toMatchObject([
      { id, verb: "source.discard" },
      { id, verb: "source.discard" },
    ]);
  });

  it("discards the finished source last, and a failure of that changes nothing", async () => {
    const input = { migrationId: made.id, attempt, interruptible: false, commands: discard };
    await relay({ ...input, taskToken: "discard" });
    const [asked] = await source.take();
    if (asked === undefined) throw new Error("Expected a command");
    const error = { code: "qemu", message: "gone" } as const;
    await source.emit({ type: "command.failed", commandId: asked.id, error });
    expect(ended("discard")).toEqual(["CommandFailed"]);
    expect(await record()).toMatchObject({ status: "completed" });
  });

  it("has all of it in the timeline, in order", async () => {
    const { body } = await operate("GET", `/v1/migrations/${made.id}/timeline`);
    const items = body.items as { origin: string; type: string; at: string }[];
    const own = items.filter(({ origin }) => origin === "cloud").map(({ type }) => type);
    expect(own[0]).toBe("migration.requested");
    expect(own.at(-1)).toBe("migration.ended");
    const ofSource = items.filter(({ origin }) => origin === "host-a").map(({ type }) => type);
    expect(ofSource).toEqual([
      "command.completed",
      "command.completed",
      "migration.started",
      "migration.converged",
      "migration.stopped",
      "migration.source-completed",
      "command.failed",
    ]);
    const samples = await operate("GET", `/v1/migrations/${made.id}/samples`);
    expect(samples.body.items).toMatchObject([{ progress: { ramRemainingBytes: 5 } }]);
    expect(JSON.stringify(await cloud.scan())).not.toMatch(/handoverKey/);
  });

  it("refuses late steps of an ended migration", async () => {
    const before = await cloud.scan();
    const migrationId = made.id;
    const late = { taskToken: "late", migrationId, attempt, interruptible };
    for (const task of [
      () => relay({ ...late, commands: start, phase: "precopy", awaits: "converged" }),
      () => awaitSignal({ ...late, signal: "acked", phase: "await-ack" }),
      () => admit({ migrationId, taskToken: "late" }),
      () => negotiate({ migrationId }),
    ]) {
      await expect(task()).rejects.toMatchObject({ name: "StaleMigration" });
    }
    const kept = (items: Record<string, unknown>[]) => items.filter(({ sk }) => sk !== "SIGNALS");
    expect(kept(await cloud.scan())).toEqual(kept(before));
    expect(await source.take()).toEqual([]);
  });
});

const record = async () =>
  (await operate("GET", `/v1/migrations/${made.id}`)).body as Migration & Record<string, unknown>;

function unstamped({ updatedAt: _, ...rest }: Record<string, unknown>) {
  return rest;
}

async function row(pk: string, sk = "META"): Promise<Record<string, unknown>> {
  const item = (await cloud.scan()).find((one) => one.pk === pk && one.sk === sk);
  if (item === undefined) throw new Error(`Expected an item ${pk}`);
  return item;
}

/** Calls a token task twice with one token: the table is the same after the second call. */
async function twice(token: string, task: (token: string) => Promise<unknown>) {
  await task(token);
  const first = await cloud.scan();
  await task(token);
  expect(await cloud.scan()).toEqual(first);
}

async function wait(signal: string, phase: string) {
  await twice(signal, (taskToken) =>
    awaitSignal({ migrationId: made.id, taskToken, signal, phase }),
  );
}

const ended = (token: string) =>
  cloud.stub.ended.filter((one) => one.token === token).map((one) => one.error ?? "ok");

async function answer(agent: TestAgent, step: string, result: unknown) {
  const commandId = `${made.id}.${step}.1` as never;
  await agent.emit({ type: "command.completed", commandId, result });
}

function event<T extends string>(type: T) {
  const { id: migrationId, vm, epoch } = made;
  return { type, migrationId, vm, epoch };
}
