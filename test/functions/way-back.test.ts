import { beforeEach, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import type { Observation } from "../../core/protocol/observation.ts";
import { observation } from "../../core/protocol/testing/observation.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { handler as negotiate } from "../../functions/task/negotiate.ts";
import { handler as reconcile } from "../../functions/task/reconcile.ts";
import { facts, smallDefinition, sourceProbe, targetProbe } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";
import { relay } from "./testing/relay.ts";
import { TwoHosts } from "./testing/two-hosts.ts";

const hosts = TwoHosts.forEachTest();
let made: Migration;

let count = 0;
beforeEach(async () => {
  count += 1;
  await Promise.all([hosts.source.take(), hosts.target.take()]);
  made = await addMigration(hosts.vm, "host-b");
  await admit({ migrationId: made.id, taskToken: `admit-${count}` });
});

describe("the decision from both observations", () => {
  it("guest on the source, target exited: nothing is left to do", async () => {
    await observe(1, observation("source", { runState: "running" }), exited);
    expect(await decide(1)).toEqual({ action: "end", reason: expect.any(String), turn: 1 });
  });

  it("a side whose observation failed is unreachable", async () => {
    await observe(1, observation("source", { runState: "running" }), "fails");
    expect(await decide(1)).toMatchObject({ action: "wait" });
    expect(ended(`observe-${made.id}-1`)).toEqual(["ok"]);
  });

  it("no side answered", async () => {
    await relayObserve(1);
    expect(await decide(1)).toMatchObject({ action: "wait" });
  });

  it("an undo step is made, and its answer is the observation of that side at the next turn", async () => {
    await observe(
      1,
      observation("source", { runState: "running", migrationStatus: "active" }),
      observation("target", { runState: "inmigrate", migrationStatus: "active" }),
    );
    expect(await decide(1)).toMatchObject({
      action: "cancel-source",
      undo: { step: "cancel-source", verb: "source.cancel", side: "source" },
    });
    await undo(
      2,
      hosts.source,
      observation("source", { runState: "running", migrationStatus: "cancelled" }),
    );
    expect(await decide(2)).toMatchObject({
      action: "discard-target",
      undo: { step: "discard-target", verb: "target.discard", side: "target" },
    });
    await undo(3, hosts.target, { discarded: true });
    expect(await decide(3)).toMatchObject({ action: "end" });
    const { body } = await operate("GET", `/v1/migrations/${made.id}/timeline`);
    const items = body.items as { type: string; detail: { turn?: number } }[];
    const turns = items.filter(({ type }) => type === "reconcile.decided");
    expect(turns.map(({ detail }) => detail.turn)).toEqual([1, 2, 3]);
    expect((await record()).phases.map(({ name }) => name)).toEqual([
      "admit",
      "reconcile",
      "undo",
      "reconcile",
      "undo",
      "reconcile",
    ]);
  });

  it("a side that did not answer its undo step is unreachable", async () => {
    await observe(
      1,
      observation("source", { runState: "running", migrationStatus: "active" }),
      observation("target", { runState: "inmigrate", migrationStatus: "active" }),
    );
    const { undo: step } = await decide(1);
    await relay({ ...common(2), commands: [step], phase: "undo" });
    await hosts.source.take();
    expect(await decide(2)).toMatchObject({ action: "wait" });
  });

  it("a late forward step is refused once the way back has begun", async () => {
    await observe(1, observation("source", { runState: "running" }), exited);
    await decide(1);
    const commands = [{ step: "start", verb: "source.start", side: "source" }];
    await expect(relay({ ...common(1), commands, phase: "precopy" })).rejects.toMatchObject({
      name: "StaleMigration",
    });
    expect(await hosts.source.take()).toEqual([]);
  });
});

describe("the end", () => {
  const ends = [
    {
      title: "of a failed migration",
      input: { action: "end", reason: "r", error: "CommandFailed", cause: "qemu: no" },
      status: "failed",
      failure: { code: "command-failed", message: "qemu: no", phase: "admit" },
      vm: { state: "running", host: "host-a" },
      runningOn: "host-a",
      locked: false,
    },
    {
      title: "of a cancelled migration",
      input: { action: "end", reason: "r", error: "MigrationCancelled", cause: "asked" },
      status: "cancelled",
      failure: { code: "migration-cancelled" },
      vm: { state: "running", host: "host-a" },
      runningOn: "host-a",
      locked: false,
    },
    {
      title: "of a lost guest",
      input: { action: "lost", reason: "both gone", error: "MigrationFailed", cause: "" },
      status: "failed",
      failure: { code: "guest-lost", state: "both gone" },
      vm: { state: "failed", host: "host-a" },
      runningOn: undefined,
      locked: false,
    },
    {
      title: "that is unknown: the lock and the slots are kept",
      input: { action: "freeze", reason: "two runners", error: "States.Timeout", cause: "" },
      status: "unknown",
      failure: { code: "unknown-state", state: "two runners" },
      vm: { state: "unknown", host: "host-a" },
      runningOn: undefined,
      locked: true,
    },
  ];

  it.each(ends)("$title", async (end) => {
    const input = { migrationId: made.id, ...end.input };
    const first = await endMigration(input);
    expect(first).toMatchObject({ status: end.status, code: end.failure.code });
    const table = await hosts.cloud.scan();
    expect(await endMigration(input)).toEqual(first);
    expect(await hosts.cloud.scan()).toEqual(table);
    const { status, failure, runningOn, phase } = await record();
    expect({ status, failure, runningOn, phase }).toMatchObject({
      status: end.status,
      failure: { ...end.failure, cure: expect.any(String) },
      runningOn: end.runningOn,
      phase: "end",
    });
    const known = (await operate("GET", `/v1/vms/${hosts.vm}`)).body;
    expect(known).toMatchObject(end.vm);
    expect(known.lockedBy).toBe(end.locked ? made.id : undefined);
    const slots = table.filter(({ pk }) => String(pk).startsWith("HOST#"));
    const hasSlots = slots.some(({ outgoing, incoming }) => holds(outgoing) || holds(incoming));
    expect(hasSlots).toBe(end.locked);
    expect(table.some((item) => item.pk === `MIG#${made.id}` && item.sk === "SECRET")).toBe(false);
  });

  it.each([
    ["lost", ["source.discard"]],
    ["end", []],
    ["freeze", []],
  ])("by %s: sends %j to the source", async (action, verbs) => {
    await endMigration({ migrationId: made.id, action, reason: "r" });
    expect((await hosts.source.take()).map(({ verb }) => verb)).toEqual(verbs);
  });

  it("memory is released on the host where the guest is not", async () => {
    await addVm("vm-memory", hosts.source, smallDefinition);
    const { "host-a": a = 0, "host-b": b = 0 } = await reserved();
    const { id: migrationId } = await addMigration("vm-memory", "host-b");
    expect(await reserved()).toMatchObject({ "host-a": a, "host-b": b + 2 ** 20 });
    await endMigration({ migrationId, action: "end", reason: "r" });
    expect(await reserved()).toMatchObject({ "host-a": a, "host-b": b });
  });

  it("of a migration that was never admitted releases nothing", async () => {
    await addHost("host-narrow", { slotsOut: 1, slotsIn: 1 });
    await addVm("vm-first", hosts.source, smallDefinition);
    await addMigration("vm-first", "host-narrow");
    await addVm("vm-early", hosts.source, smallDefinition);
    const { id: migrationId } = await addMigration("vm-early", "host-narrow");
    const before = await reserved();
    await endMigration({ migrationId, action: "end", reason: "nothing started", error: "X" });
    expect(await reserved()).toEqual(before);
    await expect(admit({ migrationId, taskToken: "too-late" })).rejects.toMatchObject({
      name: "StaleMigration",
    });
    expect(await reserved()).toEqual(before);
  });

  it("of a refused negotiation has the message of every blocker", async () => {
    await probe({ ...sourceProbe, blockers: ["The device does not migrate"] });
    const error = await negotiate({ migrationId: made.id }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "NegotiationRefused" });
    const { message } = error as Error;
    await endMigration({
      migrationId: made.id,
      action: "end",
      reason: "nothing had been started on the hosts",
      error: "NegotiationRefused",
      cause: message,
    });
    expect(await record()).toMatchObject({
      status: "failed",
      runningOn: "host-a",
      failure: {
        phase: "negotiate",
        message: expect.stringContaining("The device does not migrate"),
        cure: expect.stringMatching(/./),
      },
    });
  });
});

const exited = observation("target", { process: "exited" });

const common = (attempt: number) => ({
  migrationId: made.id,
  attempt,
  interruptible: false,
  taskToken: `task-${made.id}-${attempt}`,
});

async function relayObserve(turn: number) {
  await hosts.source.take();
  await hosts.target.take();
  const commands = (["source", "target"] as const).map((side) => ({
    step: `observe-${side}`,
    verb: "migration.observe",
    side,
  }));
  const taskToken = `observe-${made.id}-${turn}`;
  await relay({ ...common(turn), commands, phase: "reconcile", taskToken });
}

async function observe(turn: number, a: Observation, b: Observation | "fails") {
  await relayObserve(turn);
  const [asked] = await hosts.target.take();
  if (asked === undefined) throw new Error("Expected a command");
  const commandId = asked.id;
  const error = { code: "not-found", message: "no such guest" } as const;
  await hosts.target.emit(
    b === "fails"
      ? { type: "command.failed", commandId, error }
      : { type: "command.completed", commandId, result: b },
  );
  await hosts.source.complete(a);
}

async function undo(turn: number, agent: TestAgent, result: unknown) {
  const { undo: step } = await decide(turn - 1);
  await relay({ ...common(turn), commands: [step], phase: "undo" });
  await agent.complete(result);
}

/** Decides twice: a repeated turn returns the same decision and changes nothing. */
async function decide(turn: number) {
  const first = await reconcile({ migrationId: made.id, turn });
  const table = await hosts.cloud.scan();
  expect(await reconcile({ migrationId: made.id, turn })).toEqual(first);
  expect(await hosts.cloud.scan()).toEqual(table);
  return first;
}

async function probe(seen: typeof sourceProbe) {
  await hosts.source.take();
  const commands = [
    { step: "probe-source", verb: "source.probe", side: "source" },
    { step: "probe-target", verb: "target.probe", side: "target" },
  ];
  await relay({ ...common(1), commands, phase: "probe", interruptible: true });
  await hosts.source.complete(seen);
  await hosts.target.complete({ ...targetProbe, qemu: facts.qemu });
}

const holds = (slots: unknown) => slots instanceof Set && slots.has(made.id);

const record = async () => (await operate("GET", `/v1/migrations/${made.id}`)).body as Migration;

/** Memory of all hosts, by name. */
async function reserved(): Promise<Record<string, number>> {
  const items = (await hosts.cloud.scan()).filter(
    ({ pk, sk }) => String(pk).startsWith("HOST#") && sk === "META",
  );
  return Object.fromEntries(items.map(({ id, reservedBytes }) => [id, Number(reservedBytes)]));
}

const ended = (token: string) =>
  hosts.cloud.stub.ended.filter((one) => one.token === token).map((one) => one.error ?? "ok");
