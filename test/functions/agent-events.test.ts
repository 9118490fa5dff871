import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import { registerWait } from "../../functions/service/register-wait.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { facts, figures, prepared, smallDefinition, sourceProbe } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, type TestAgent } from "./testing/fleet.ts";
import { HostKey } from "./testing/host-key.ts";
import { relay } from "./testing/relay.ts";

let cloud: TestCloud;
let source: TestAgent;
let target: TestAgent;
let bystander: TestAgent;
let made: Migration;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a");
  target = await addHost("host-b");
  bystander = await addHost("host-c");
});

let count = 0;
beforeEach(async () => {
  count += 1;
  await addVm(`vm-${count}`, source, smallDefinition);
  made = await addMigration(`vm-${count}`, "host-b");
});

afterAll(() => cloud.close());

describe("authentication of agents", () => {
  const batch = () => ({ version: 1, host: "host-a", events: source.number(guest("vm-9")) });

  it.each([
    ["a wrong key", () => new HostKey()],
    ["another host's key", () => target.key],
  ])("refuses a host with %s", async (_, keyOf) => {
    const before = await cloud.scan();
    const body = batch();
    source.seq -= 1;
    expect(await source.send("events", body, keyOf())).toMatchObject({
      status: 401,
      body: { code: "unauthorized" },
    });
    const registration = { host: "host-a", facts };
    expect(await source.send("register", registration, keyOf())).toMatchObject({ status: 401 });
    expect(await cloud.scan()).toEqual(before);
  });

  it("answers an unknown host like a wrong key", async () => {
    const unknown = { ...batch(), host: "host-z" };
    source.seq -= 1;
    expect(await source.send("events", unknown)).toMatchObject({ status: 401 });
  });

  it("answers a registration with the queue and the last accepted event", async () => {
    expect(await source.send("register", { host: "host-a", facts })).toEqual({
      status: 200,
      headers: expect.anything(),
      body: {
        host: "host-a",
        queueUrl: source.queueUrl,
        acceptedSeq: source.seq,
        at: expect.stringMatching(/^20.*Z$/),
        commandKeys: [{ id: expect.any(String), publicKey: expect.any(String) }],
      },
    });
  });
});

describe("a batch of events is refused with", () => {
  const event = { seq: 1, atMs: 1, body: { type: "guest.exited", vm: "vm-1", detail: "" } };
  const batch = { version: 1, host: "host-a", events: [event] };
  it.each([
    ["bad JSON", "{", 400, "malformed-json"],
    ["another version", { ...batch, version: 2 }, 422, "invalid"],
    ["too many", { ...batch, events: Array(101).fill(event) }, 422, "invalid"],
    ["an unknown type", withBody({ type: "guest.danced" }), 422, "invalid"],
    ["an unknown field", { ...batch, signature: "x" }, 422, "invalid"],
    ["half an event", { ...batch, events: [{ ...event, seq: 1.5 }] }, 422, "invalid"],
    ["a time that is no date", { ...batch, events: [{ ...event, atMs: 9e15 }] }, 422, "invalid"],
    ["too large a body", `"${"x".repeat(1e7)}"`, 413, "body-too-large"],
  ])("%s", async (_, body, status, code) => {
    const before = await cloud.scan();
    expect(await source.send("events", body)).toMatchObject({ status, body: { code } });
    expect(await cloud.scan()).toEqual(before);
  });

  function withBody(body: object) {
    return { ...batch, events: [{ ...event, body }] };
  }
});

describe("the order of events", () => {
  it("a gap is refused, and the answer names the missing event", async () => {
    const before = await cloud.scan();
    const [event] = source.number(about("migration.converged"));
    const late = { ...event, seq: source.seq + 1 };
    source.seq -= 1;
    const answer = await source.send("events", { version: 1, host: "host-a", events: [late] });
    expect(answer).toMatchObject({
      status: 409,
      body: { code: "event-gap", expectedSeq: source.seq + 1 },
    });
    expect(await cloud.scan()).toEqual(before);
  });

  it("a batch posted again changes nothing", async () => {
    await registerWait(made.id, "converged", waiter("again"), none);
    const events = source.number(about("migration.started"), about("migration.converged"));
    const batch = { version: 1, host: "host-a", events };
    expect(await source.send("events", batch)).toMatchObject({ body: { acceptedSeq: source.seq } });
    const before = await cloud.scan();
    expect(await source.send("events", batch)).toMatchObject({ body: { acceptedSeq: source.seq } });
    expect(await cloud.scan()).toEqual(before);
    expect(ended("again")).toEqual(["ok"]);
  });

  it("of a batch that overlaps an earlier one, only the new events take effect", async () => {
    const [first] = source.number(about("migration.started"));
    await source.send("events", { version: 1, host: "host-a", events: [first] });
    const [second] = source.number(about("migration.stopped"));
    const both = { version: 1, host: "host-a", events: [first, second] };
    expect(await source.send("events", both)).toMatchObject({
      status: 200,
      body: { acceptedSeq: source.seq },
    });
    expect(await record()).toMatchObject({ stoppedAtMs: second?.atMs });
  });

  it("one batch posted twice at the same time has its effects once", async () => {
    await registerWait(made.id, "converged", waiter("twice"), none);
    const events = source.number(about("migration.started"), about("migration.converged"));
    const batch = { version: 1, host: "host-a", events };
    const answers = await Promise.all([1, 2, 3].map(() => source.send("events", batch)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(ended("twice")).toEqual(["ok"]);
    const entries = (await ofMigration()).filter(({ sk }) => String(sk).startsWith("EVENT#"));
    expect(entries).toHaveLength(2);
  });
});

describe("events that change nothing", () => {
  const cases: [string, () => TestAgent, (body: MigrationEvent) => MigrationEvent][] = [
    ["of a host that is neither side", () => bystander, (body) => body],
    ["of the source, emitted by the target", () => target, (body) => body],
    ["of an older epoch", () => source, (body) => ({ ...body, epoch: body.epoch - 1 })],
    ["of a newer epoch", () => source, (body) => ({ ...body, epoch: body.epoch + 1 })],
    ["of another VM", () => source, (body) => ({ ...body, vm: "vm-9" as never })],
    ["of an unknown migration", () => source, (body) => ({ ...body, migrationId: nobody })],
  ];
  const bodies = (): MigrationEvent[] => [
    about("migration.started"),
    { ...about("migration.progress"), progress: { status: "active" } },
    about("migration.converged"),
    { ...about("migration.acked"), evidence: "trace" },
    about("migration.stopped"),
    { ...about("migration.source-completed"), figures, handedOver: true },
    { ...about("migration.failed"), side: "source", status: "failed", errorDescription: "x" },
  ];

  it.each(cases)("%s", async (_, emitter, change) => {
    const before = await ofMigration();
    const answer = await emitter().emit(...bodies().map(change));
    expect(answer.status).toBe(200);
    expect(await ofMigration()).toEqual(before);
  });

  it("target-running, emitted by the source", async () => {
    const before = await ofMigration();
    await source.emit({ ...about("migration.target-arrived"), runState: "running" });
    expect(await ofMigration()).toEqual(before);
  });

  it("a command's answer by another host", async () => {
    const commands = [{ step: "probe-source", verb: "source.probe", side: "source" }];
    await probe(commands, "other");
    const [asked] = await source.take();
    if (asked === undefined) throw new Error("Expected a command");
    await target.emit({ type: "command.completed", commandId: asked.id, result: sourceProbe });
    expect(await commandItem(asked.id)).toMatchObject({ state: "sent" });
    expect(ended("other")).toEqual([]);
    await source.emit({ type: "command.completed", commandId: asked.id, result: sourceProbe });
    expect(await commandItem(asked.id)).toMatchObject({ state: "completed" });
    const error = { code: "qemu", message: "changed my mind" } as const;
    await source.emit({ type: "command.failed", commandId: asked.id, error });
    expect(await commandItem(asked.id)).toMatchObject({ state: "completed" });
    expect(ended("other")).toEqual(["ok"]);
  });
});

describe("events that are merged", () => {
  const wholeStory = (): EventBody[] => [
    about("migration.started"),
    { ...about("migration.acked"), evidence: "trace" },
    about("migration.stopped"),
    { ...about("migration.source-completed"), figures, handedOver: true },
  ];

  const effects = async () => {
    const { startedAtMs, ackedAtMs, stoppedAtMs, sourceCompletedAtMs, ...rest } =
      (await record()) ?? {};
    const times = [ackedAtMs, stoppedAtMs, sourceCompletedAtMs];
    return {
      sinceStart: times.map((ms) => Number(ms) - Number(startedAtMs)),
      figures: rest.figures,
      evidence: rest.ackEvidence,
      lines: (await ofMigration()).flatMap(({ type }) => type ?? []),
    };
  };

  it("have the same effects as one by one", async () => {
    await registerWait(made.id, "converged", waiter("together"), none);
    await source.emit(...wholeStory());
    const together = await effects();
    expect(together).toEqual({
      sinceStart: [1, 2, 3],
      figures,
      evidence: "trace",
      lines: wholeStory().map(({ type }) => type),
    });
    await addVm("vm-one-by-one", source, smallDefinition);
    made = await addMigration("vm-one-by-one", "host-b");
    await registerWait(made.id, "converged", waiter("one-by-one"), none);
    for (const body of wholeStory()) await source.emit(body);
    expect(await effects()).toEqual(together);
    expect([...ended("together"), ...ended("one-by-one")]).toEqual(["ok", "ok"]);
  });

  it("report the other raised signals to the wait that they settle", async () => {
    await registerWait(made.id, "converged", waiter("ahead"), none);
    await target.emit({ ...about("migration.target-arrived"), runState: "running" });
    await source.emit(...wholeStory());
    const output = cloud.stub.outputs.get("ahead");
    expect(output).toEqual({ raised: ["acked", "source-completed", "target-arrived"] });
  });

  it("end with a failure; the events before it take effect", async () => {
    await registerWait(made.id, "converged", waiter("before"), none);
    await registerWait(
      made.id,
      "target-arrived",
      { ...waiter("after"), names: ["target-arrived"] },
      none,
    );
    const failed = { side: "source", status: "failed", errorDescription: "Broken" } as const;
    await source.emit(about("migration.stopped"), { ...about("migration.failed"), ...failed });
    expect(ended("before")).toEqual(["ok"]);
    expect(ended("after")).toEqual(["MigrationFailed"]);
    expect((await effects()).lines).toEqual(["migration.stopped", "migration.failed"]);
  });
});

describe("the meaning of events", () => {
  it("STOP implies convergence and ACK when their own events were lost", async () => {
    await registerWait(made.id, "converged", waiter("stop-1"), none);
    await registerWait(made.id, "acked", { ...waiter("stop-2"), names: ["acked"] }, none);
    await source.emit(about("migration.stopped"));
    expect([...ended("stop-1"), ...ended("stop-2")]).toEqual(["ok", "ok"]);
  });

  it("an ACK of some devices is not the ACK", async () => {
    await registerWait(made.id, "acked", { ...waiter("some"), names: ["acked"] }, none);
    await source.emit({ ...about("migration.acked"), evidence: "trace", pending: 1 });
    expect(ended("some")).toEqual([]);
    await source.emit({ ...about("migration.acked"), evidence: "trace", pending: 0 });
    expect(ended("some")).toEqual(["ok"]);
  });

  it("the evidence of the first ACK wins", async () => {
    await source.emit({ ...about("migration.acked"), evidence: "trace" });
    await source.emit(about("migration.stopped"));
    expect(await record()).toMatchObject({ ackEvidence: "trace" });
  });

  it("a failure of either side fails every interruptible wait, with its message", async () => {
    await registerWait(made.id, "converged", waiter("fails"), none);
    await target.emit({
      ...about("migration.failed"),
      side: "target",
      status: "failed",
      errorDescription: "Unable to read",
    });
    expect(cloud.stub.ended).toContainEqual({
      token: "fails",
      ok: false,
      error: "MigrationFailed",
      cause: "target: Unable to read",
    });
  });

  it("an answer that does not fit its verb fails the command", async () => {
    await probe([{ step: "prepare", verb: "source.probe", side: "source" }], "unfit");
    const [asked] = await source.take();
    if (asked === undefined) throw new Error("Expected a command");
    await source.emit({ type: "command.completed", commandId: asked.id, result: prepared });
    expect(await commandItem(asked.id)).toMatchObject({
      state: "failed",
      error: { code: "invalid" },
    });
    expect(ended("unfit")).toEqual(["CommandFailed"]);
  });

  it.each([
    ["source", "the source's QEMU process ended: killed"],
    ["target", "the target's QEMU process ended: killed"],
  ])("the end of the %s's QEMU during a migration interrupts it", async (side, cause) => {
    await registerWait(made.id, "converged", waiter(`exit-${side}`), none);
    await (side === "source" ? source : target).emit(guest(made.vm));
    expect(cloud.stub.ended).toContainEqual(
      expect.objectContaining({ token: `exit-${side}`, error: "MigrationFailed", cause }),
    );
  });
});

/** The waits of these tests enter no phase. */
const none = Promise.resolve();

type MigrationEvent = Extract<EventBody, { migrationId: unknown }>;

const nobody = "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX" as Migration["id"];

function about<T extends string>(type: T) {
  return { type, migrationId: made.id, vm: made.vm, epoch: made.epoch };
}

function guest(vm: string) {
  return { type: "guest.exited", vm: vm as Migration["vm"], detail: "killed" } as const;
}

function waiter(token: string) {
  return { token, names: ["converged"], failOn: [], interruptible: true };
}

async function probe(commands: object[], taskToken: string) {
  await source.take();
  await relay({ migrationId: made.id, attempt: 1, interruptible: true, commands, taskToken });
}

const ofMigration = async () =>
  (await cloud.scan()).filter(({ pk }) => String(pk) === `MIG#${made.id}`);

const record = async () => (await ofMigration()).find(({ sk }) => sk === "META");

const commandItem = async (id: string) => (await cloud.scan()).find(({ pk }) => pk === `CMD#${id}`);

const ended = (token: string) =>
  cloud.stub.ended.filter((one) => one.token === token).map((one) => one.error ?? "ok");
