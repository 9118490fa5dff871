import { afterAll, beforeAll, expect, test } from "vitest";
import type { Migration, TimelineEntry } from "../../core/migration/migration.ts";
import { observation } from "../../core/protocol/testing/observation.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as awaitSignal } from "../../functions/task/await-signal.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as negotiate } from "../../functions/task/negotiate.ts";
import { handler as reconcile } from "../../functions/task/reconcile.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { prepared, sourceProbe, targetProbe } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";
import { relay } from "./testing/relay.ts";
import { storedBytes } from "./testing/stored-bytes.ts";

let cloud: TestCloud;
let source: TestAgent;
let target: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a", { slotsOut: 8, slotsIn: 8 });
  target = await addHost("host-b", { slotsOut: 8, slotsIn: 8 });
});
afterAll(() => cloud.close());

const policy = { convergence: { ladder: "post-copy" } } as const;
/** Step Functions API Reference, SendTaskSuccess: the longest token. */
const TOKEN_MAX = 2_048;
const uri = "tcp:127.0.0.1:4711";

test("a break in postcopy fails the wait for its end; both sides are connected again", async () => {
  const id = await begin("vm-1");
  expect(await start(id)).toMatchObject({
    settings: { capabilities: { "postcopy-ram": true } },
    climb: { rungs: [{}, {}, { action: "postcopy" }, { action: "abort" }] },
  });
  await rung(id);
  expect((await record(id)).postcopyAtMs).toEqual(expect.any(Number));
  await emit(source, id, { type: "migration.stopped" });
  await emit(source, id, { type: "migration.postcopy" });
  await emit(target, id, { type: "migration.target-arrived", runState: "running" });
  await wait(id, "acked", "await-ack", "ack-1");
  await wait(id, "source-completed", "switchover", "end-1", 1);
  expect(ended("end-1")).toEqual([]);

  await pause(id, 1);
  expect(ended("end-1")).toEqual(["PostcopyPaused"]);
  await recover(id, 1);
  // The earlier pause was recovered: only the next one fails this wait.
  await wait(id, "source-completed", "postcopy", "end-2", 2);
  await pause(id, 1);
  expect(ended("end-2")).toEqual([]);
  await pause(id, 2);
  expect(ended("end-2")).toEqual(["PostcopyPaused"]);
  await recover(id, 2);

  await wait(id, "source-completed", "postcopy", "end-3", 3);
  const figures = { downtimeMs: 20, totalTimeMs: 4_000, progress: { status: "completed" } };
  await emit(source, id, { type: "migration.source-completed", figures, handedOver: true });
  expect(ended("end-3")).toEqual(["ok"]);
  await wait(id, "target-arrived", "confirm", "running");
  expect(ended("running")).toEqual(["ok"]);
  await complete({ migrationId: id });
  const moved = await record(id);
  expect(moved).toMatchObject({ status: "completed", runningOn: "host-b" });
  expect(moved.phases.map(({ name }) => name)).toContain("postcopy");
});

test("no cancel is accepted once postcopy was requested", async () => {
  const id = await begin("vm-2");
  await start(id);
  await rung(id);
  expect(await operate("POST", `/v1/migrations/${id}/cancel`)).toMatchObject({
    status: 409,
    body: { code: "past-point-of-no-return" },
  });
});

test("after a cancel that came too late, the end of postcopy is awaited without interruption", async () => {
  const id = await begin("vm-3");
  await start(id);
  await operate("POST", `/v1/migrations/${id}/cancel`);
  await emit(source, id, { type: "migration.postcopy" });
  const ran = { linkUp: true, permittedToRun: true, arrived: true };
  await observe(id, {
    source: observation("source", { ...ran, runState: "finish-migrate" }),
    target: observation("target", { ...ran, runState: "running" }),
  });
  const decision = await reconcile({ migrationId: id, turn: 1 });
  expect(decision).toMatchObject({ action: "await-postcopy" });
  expect(decision).not.toHaveProperty("undo");
  await wait(id, "source-completed", "postcopy", "uninterruptible", 1, false);
  expect(ended("uninterruptible")).toEqual([]);
});

test("breaks without end, and recoveries that fail, leave no more than the last ones", async () => {
  const id = await begin("vm-4");
  await start(id);
  await rung(id);
  await emit(source, id, { type: "migration.stopped" });
  await emit(source, id, { type: "migration.postcopy" });
  await wait(id, "source-completed", "switchover", "end-0".padEnd(TOKEN_MAX), 1);
  let attempt = 0;
  const breaks = async (from: number, to: number) => {
    for (let number = from; number <= to; number += 1) {
      await pause(id, number);
      attempt += 1;
      await recoverInVain(id, attempt);
      attempt += 1;
      await recover(id, attempt);
      await wait(id, "source-completed", "postcopy", `end-${number}`.padEnd(TOKEN_MAX), number + 1);
      expect(ended(`end-${number - 1}`.padEnd(TOKEN_MAX))).toEqual(["PostcopyPaused"]);
    }
    return storedBytes({ pk: `MIG#${id}`, sk: "SIGNALS" });
  };
  const few = await breaks(1, 6);
  const many = await breaks(7, 18);
  // Numbers have a digit more.
  expect(many).toBeLessThan(few * 1.02);
  expect(many).toBeLessThan(48 * 1024);
  const answers = (await timeline(id)).filter(({ type }) => type.startsWith("command."));
  const recoveries = answers.filter(({ detail }) => String(detail.verb).endsWith(".recover"));
  expect(recoveries).toHaveLength(3 * 18);
  expect(recoveries.filter(({ type }) => type === "command.failed")).toHaveLength(18);
});

const ended = (token: string) =>
  cloud.stub.ended.filter((one) => one.token === token).map((one) => one.error ?? "ok");
const record = async (id: string) =>
  (await operate("GET", `/v1/migrations/${id}`)).body as unknown as Migration;
const step = (name: string, verb: string, side: string) => [{ step: name, verb, side }];

async function emit(agent: TestAgent, id: string, body: object) {
  const { epoch, vm } = await record(id);
  await agent.emit({ migrationId: id, vm, epoch, ...body } as never);
}

const rung = (id: string) =>
  emit(source, id, { type: "migration.rung", rung: 4, action: "postcopy", reason: "stalled" });
const pause = (id: string, number: number) =>
  emit(source, id, { type: "migration.postcopy-paused", pause: number });

const wait = (
  id: string,
  signal: string,
  phase: string,
  taskToken: string,
  number?: number,
  interruptible = true,
) =>
  awaitSignal({
    migrationId: id,
    taskToken,
    signal,
    phase,
    interruptible,
    ...(number === undefined ? {} : { pause: number }),
  });

async function recover(id: string, attempt: number) {
  const input = { migrationId: id, attempt, interruptible: false, phase: "postcopy" };
  const toTarget = step("recover-target", "target.recover", "target");
  await relay({ ...input, commands: toTarget, taskToken: `target-${attempt}` });
  await target.complete({ migrationUri: `${uri}${attempt}` });
  const toSource = step("recover-source", "source.recover", "source");
  await relay({ ...input, commands: toSource, taskToken: `source-${attempt}` });
  const { args } = await source.complete({ status: "postcopy-active" });
  expect(args).toEqual({ migrationUri: `${uri}${attempt}` });
  expect(ended(`source-${attempt}`)).toEqual(["ok"]);
}

/** The target answers with as long a text as an agent may send. */
async function recoverInVain(id: string, attempt: number) {
  const commands = step("recover-target", "target.recover", "target");
  const taskToken = `in-vain-${attempt}`.padEnd(TOKEN_MAX);
  await relay({
    migrationId: id,
    attempt,
    interruptible: false,
    phase: "postcopy",
    commands,
    taskToken,
  });
  const [command] = await target.take();
  const error = { code: "qemu" as const, message: "€".repeat(4_000) };
  await target.emit({ type: "command.failed", commandId: command?.id as never, error });
  expect(ended(taskToken)).toEqual(["CommandFailed"]);
}

async function timeline(id: string) {
  const entries: TimelineEntry[] = [];
  let after = "";
  do {
    const path = `/v1/migrations/${id}/timeline?limit=50${after}`;
    const page = (await operate("GET", path)).body as { items: TimelineEntry[]; next?: string };
    entries.push(...page.items);
    after = page.next === undefined ? "" : `&after=${encodeURIComponent(page.next)}`;
  } while (after !== "");
  return entries;
}

async function observe(id: string, observations: { source: object; target: object }) {
  await relay({
    migrationId: id,
    attempt: 1,
    interruptible: false,
    phase: "reconcile",
    commands: [
      ...step("observe-source", "migration.observe", "source"),
      ...step("observe-target", "migration.observe", "target"),
    ],
    taskToken: `observe-${id}`,
  });
  const status = { migrationStatus: "postcopy-active" };
  await source.complete({ ...observations.source, ...status });
  await target.complete({ ...observations.target, ...status });
}

async function begin(vm: string): Promise<string> {
  await Promise.all([source.take(), target.take()]);
  await addVm(vm, source);
  const { id } = await addMigration(vm, "host-b", policy as never);
  await admit({ migrationId: id, taskToken: `admit-${id}` });
  const input = { migrationId: id, attempt: 1, interruptible: true, taskToken: `probe-${id}` };
  const commands = [
    ...step("probe-source", "source.probe", "source"),
    ...step("probe-target", "target.probe", "target"),
  ];
  await relay({ ...input, commands, phase: "probe" });
  const { qemu } = sourceProbe;
  const capabilities = [...qemu.capabilities, "postcopy-ram"];
  await source.complete({ ...sourceProbe, qemu: { ...qemu, capabilities } });
  const there = { ...targetProbe.qemu, capabilities: [...capabilities] };
  await target.complete({ ...targetProbe, qemu: there, userfaultfd: true });
  await negotiate({ migrationId: id });
  return id;
}

/** Prepares and starts; returns the arguments of `source.start`. */
async function start(id: string): Promise<unknown> {
  const input = { migrationId: id, attempt: 1, interruptible: true, taskToken: `t-${id}` };
  const prepare = step("prepare", "target.prepare", "target");
  await relay({ ...input, commands: prepare, phase: "prepare" });
  await target.complete(prepared);
  const commands = step("start", "source.start", "source");
  await relay({ ...input, commands, phase: "precopy", awaits: "converged" });
  const [command] = await source.take();
  return command?.args;
}
