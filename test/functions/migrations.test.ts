import { describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { registerWait } from "../../functions/service/register-wait.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { definition, smallDefinition, sourceProbe, targetProbe } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, arrive, operate, type TestAgent } from "./testing/fleet.ts";
import { TwoHosts } from "./testing/two-hosts.ts";

const fitting = { ...sourceProbe, memoryBytes: 2 ** 20 };
const hosts = TwoHosts.forEachTest();

describe("POST /v1/migrations", () => {
  it("writes the record, takes the lock with a new epoch, and starts an execution", async () => {
    const answer = await post({ vm: hosts.vm, target: "host-b" }, "key-1");
    const made = answer.body as Migration;
    expect(answer.status).toBe(202);
    expect(answer.headers.get("location")).toBe(`/v1/migrations/${made.id}`);
    expect(made).toMatchObject({ status: "running", phase: "admit", epoch: 2, source: "host-a" });
    expect(made.executionArn).toMatch(new RegExp(`:execution:migration:${made.id}$`));
    expect((await operate("GET", `/v1/vms/${hosts.vm}`)).body).toMatchObject({
      state: "migrating",
      lockedBy: made.id,
      epoch: 2,
    });
    expect(hosts.cloud.stub.executions.has(made.id)).toBe(true);
    expect(JSON.stringify(answer.body)).not.toMatch(/handoverKey|queueUrl|heldBytes/);
  });

  it("answers a repeated key and body with the same migration", async () => {
    const first = await post({ vm: hosts.vm, target: "host-b" }, "key-2");
    const before = await hosts.cloud.scan();
    const again = await post({ target: "host-b", vm: hosts.vm, policy: {} }, "key-2");
    expect(again).toMatchObject({ status: 202, body: first.body });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await hosts.cloud.scan()).toEqual(before);
  });

  it("refuses a key with another body and names the first migration", async () => {
    const first = await post({ vm: hosts.vm, target: "host-b" }, "key-3");
    const before = await hosts.cloud.scan();
    const policy = { downtimeLimitMs: 100 };
    expect(await post({ vm: hosts.vm, target: "host-b", policy }, "key-3")).toMatchObject({
      status: 422,
      body: { code: "idempotency-key-reused", migration: first.body.id },
    });
    expect(await hosts.cloud.scan()).toEqual(before);
  });

  it("makes one migration of identical requests at the same time", async () => {
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => post({ vm: hosts.vm, target: "host-b" }, "key-4")),
    );
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202, 202]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await migrationsOf(hosts.vm)).toHaveLength(1);
  });

  it("lets one of several requests for a VM win, and names it to the others", async () => {
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => post({ vm: hosts.vm, target: "host-b" })),
    );
    const winner = answers.find(({ status }) => status === 202)?.body;
    const losers = answers.filter(({ status }) => status !== 202);
    expect(losers).toHaveLength(3);
    for (const loser of losers) {
      expect(loser).toMatchObject({
        status: 409,
        body: { code: "vm-locked", migration: winner?.id },
      });
    }
    expect(await migrationsOf(hosts.vm)).toHaveLength(1);
  });

  it("leaves nothing when the execution cannot be started; the epoch stays raised", async () => {
    const before = await tableBut(`VM#${hosts.vm}`);
    hosts.cloud.stub.refused.starts = 1;
    expect(await post({ vm: hosts.vm, target: "host-b" }, "key-5")).toMatchObject({
      status: 503,
      body: { code: "workflow-unavailable" },
    });
    expect(await tableBut(`VM#${hosts.vm}`)).toEqual(before);
    const known = (await operate("GET", `/v1/vms/${hosts.vm}`)).body;
    expect(known).toMatchObject({ state: "running", epoch: 2 });
    expect(known).not.toHaveProperty("lockedBy");
    expect(await post({ vm: hosts.vm, target: "host-b" }, "key-5")).toMatchObject({
      status: 202,
      body: { epoch: 3 },
    });
  });

  it.each([
    ["the same request again", (at: string) => post({ vm: at, target: "host-b" }, `key-${at}`)],
    ["another one for the VM", (at: string) => post({ vm: at, target: "host-b" })],
  ])("%s starts a migration whose request died before the start", async (_, again) => {
    const { body } = await post({ vm: hosts.vm, target: "host-b" }, `key-${hosts.vm}`);
    hosts.cloud.stub.executions.delete(String(body.id));
    await again(hosts.vm);
    expect(hosts.cloud.stub.executions.has(String(body.id))).toBe(true);
  });
});

describe("POST /v1/migrations?dryRun=true", () => {
  it("reports how the migration would go, and leaves nothing", async () => {
    const before = await hosts.cloud.scan();
    const found = twinCheck([]);
    const [answer] = await Promise.all([dryRun(), rehearse(completed(found))]);
    expect(answer).toMatchObject({
      status: 200,
      body: { dryRun: true, agreed: true, agreement: { machineType: "pc-i440fx-10.0" } },
    });
    expect(answer.body).toMatchObject({ blockers: [], ...found });
    expect(unnumbered(await hosts.cloud.scan())).toEqual(unnumbered(before));
  });

  it("names each difference of the machines, with both values and its cure", async () => {
    const difference = { name: "disk a: chain", source: "x", target: null, cure: "do it" };
    const [answer] = await Promise.all([dryRun(), rehearse(completed(twinCheck([difference])))]);
    const message = "disk a: chain: the source has `x`, the target nothing";
    const blockers = [{ code: "sides-differ", message, cure: "do it" }];
    expect(answer).toMatchObject({ status: 200, body: { agreed: false, blockers } });
  });

  it("says why only a migration can compare the machines", async () => {
    const cannot = "the target's host has a hook";
    const [answer] = await Promise.all([dryRun(), rehearse(undefined, completed({ cannot }))]);
    const body = { agreed: true, blockers: [], notCompared: cannot };
    expect(answer).toMatchObject({ status: 200, body });
  });

  it.each(["source", "target"] as const)(
    "names what fails on the %s, and ends it",
    async (side) => {
      const failed = { error: { code: "qemu", message: "no such device" } } as const;
      const answers = side === "source" ? rehearse(failed) : rehearse(undefined, failed);
      const [answer, verbs] = await Promise.all([dryRun(), answers]);
      expect(answer).toMatchObject({ status: 200, body: { agreed: false } });
      expect(JSON.stringify(answer.body.blockers)).toContain("qemu: no such device");
      expect(verbs.at(-1)).toBe("target.discard");
    },
  );

  it("names the blockers", async () => {
    const seen = { ...fitting, blockers: ["The device does not migrate"] };
    const [answer] = await Promise.all([dryRun(), answerProbes(seen)]);
    expect(answer).toMatchObject({ status: 200, body: { agreed: false } });
    expect(JSON.stringify(answer.body.blockers)).toContain("The device does not migrate");
  });

  it("reports the error of a host that cannot be probed", async () => {
    const [answer] = await Promise.all([dryRun(), answerProbes("fails")]);
    expect(answer).toMatchObject({
      status: 409,
      body: { code: "probe-failed", detail: expect.stringContaining("no such guest") },
    });
  });
});

describe("POST /v1/migrations/{id}/cancel", () => {
  it("interrupts the wait once, and records the request", async () => {
    const { id } = await addMigration(hosts.vm, "host-b");
    const waiter = { token: `t-${id}`, names: ["converged"], failOn: [], interruptible: true };
    await registerWait(id, "converged", waiter, Promise.resolve());
    const answer = await operate("POST", `/v1/migrations/${id}/cancel`);
    expect(answer).toMatchObject({ status: 202, body: { cancelRequestedAt: expect.any(String) } });
    const again = await operate("POST", `/v1/migrations/${id}/cancel`);
    expect(again.body.cancelRequestedAt).toBe(answer.body.cancelRequestedAt);
    expect(hosts.cloud.stub.ended.filter(({ token }) => token === `t-${id}`)).toMatchObject([
      { error: "MigrationCancelled" },
    ]);
  });

  it("is refused once the guest has stopped on the source", async () => {
    const made = await addMigration(hosts.vm, "host-b");
    const { id: migrationId, epoch } = made;
    await hosts.source.emit({ type: "migration.stopped", migrationId, vm: made.vm, epoch });
    const before = await hosts.cloud.scan();
    expect(await operate("POST", `/v1/migrations/${migrationId}/cancel`)).toMatchObject({
      status: 409,
      body: { code: "past-point-of-no-return" },
    });
    expect(await hosts.cloud.scan()).toEqual(before);
  });

  it("is refused after the end", async () => {
    const { id } = await addMigration(hosts.vm, "host-b");
    await endMigration({ migrationId: id, action: "end", reason: "r" });
    expect(await operate("POST", `/v1/migrations/${id}/cancel`)).toMatchObject({
      status: 409,
      body: { code: "migration-over" },
    });
  });
});

describe("GET /v1/migrations", () => {
  it("lists page by page, newest first, and filters", async () => {
    const { id } = await addMigration(hosts.vm, "host-b");
    const ids: string[] = [];
    for (let after = ""; ; ) {
      const { body } = await operate("GET", `/v1/migrations?limit=2${after}`);
      ids.push(...(body.items as Migration[]).map((one) => one.id));
      if (body.next === undefined) break;
      after = `&after=${body.next}`;
    }
    expect(ids).toEqual([...new Set(ids)].sort().reverse());
    expect(ids[0]).toBe(id);
    expect(await migrationsOf(hosts.vm)).toEqual([id]);
    await endMigration({
      migrationId: id,
      action: "end",
      reason: "r",
      error: "MigrationCancelled",
    });
    const cancelled = await operate("GET", `/v1/migrations?vm=${hosts.vm}&status=cancelled`);
    expect(cancelled.body.items).toMatchObject([{ id }]);
    const either = await operate("GET", "/v1/migrations?status=cancelled,completed&limit=1");
    expect(either.body.items).toMatchObject([{ id }]);
    const completed = await operate("GET", "/v1/migrations?status=completed");
    expect(completed.body).toEqual({ items: [] });
  });
});

describe("slots", () => {
  it("are taken with the request where both hosts have room; otherwise nothing is taken", async () => {
    await addHost("host-single", { slotsOut: 1, slotsIn: 1 });
    await addVm("in-time", hosts.source, smallDefinition);
    await addVm("too-late", hosts.source, smallDefinition);
    const first = await addMigration("in-time", "host-single");
    expect(inputOf(first.id)).toMatchObject({ admitted: "held" });
    const before = await takenOfTargets();
    expect(before["host-single"]).toEqual({ in: [first.id], bytes: smallDefinition.memoryBytes });
    const second = await addMigration("too-late", "host-single");
    expect(inputOf(second.id)).not.toHaveProperty("admitted");
    expect(await takenOfTargets()).toEqual(before);
  });

  it("are given to waiting migrations, oldest first, when one ends", async () => {
    const narrow = await addHost("host-narrow", { slotsOut: 1, slotsIn: 1 });
    const ids: Migration["id"][] = [];
    for (const name of ["first", "second", "third"]) {
      await addVm(name, hosts.source, smallDefinition);
      const { id } = await addMigration(name, "host-narrow");
      ids.push(id);
      await admit({ migrationId: id, taskToken: `turn-${id}` });
    }
    const [first, second, third] = ids;
    if (first === undefined || second === undefined || third === undefined) throw new Error();
    expect(turns(ids)).toEqual([first]);
    await endMigration({ migrationId: first, action: "end", reason: "r" });
    expect(turns(ids)).toEqual([first, second]);
    await operate("POST", `/v1/migrations/${third}/cancel`);
    await endMigration({ migrationId: third, action: "end", reason: "r" });
    await arriveAt(narrow, second);
    await complete({ migrationId: second });
    expect(turns(ids)).toEqual([first, second]);
    expect(
      (await hosts.cloud.scan()).filter(({ sk }) => /^(WAITING|QUEUED|WATCH)#/.test(String(sk))),
    ).toEqual([]);
  });

  it("are not given while the memory is missing", async () => {
    const large = await addHost("host-large");
    await addHost("host-small");
    const GiB5 = { ...definition, memoryBytes: 5 * 2 ** 30 };
    await addVm("large-1", large, GiB5);
    const { id: one } = await addMigration("large-1", "host-small");
    await admit({ migrationId: one, taskToken: `turn-${one}` });
    const other = await addHost("host-other");
    await addVm("large-2", other, GiB5);
    const { id: two } = await addMigration("large-2", "host-small");
    await admit({ migrationId: two, taskToken: `turn-${two}` });
    expect(turns([one, two])).toEqual([one]);
    await endMigration({ migrationId: one, action: "end", reason: "r" });
    expect(turns([one, two])).toEqual([one, two]);
  });

  it("are never exceeded by requests at the same time", async () => {
    const hostTwo = await addHost("host-two", { slotsOut: 2, slotsIn: 2 });
    const made: Migration["id"][] = [];
    for (const place of [1, 2, 3, 4, 5]) {
      await addVm(`crowd-vm-${place}`, hosts.source, smallDefinition);
      made.push((await addMigration(`crowd-vm-${place}`, "host-two")).id);
    }
    await Promise.all(made.map((id) => admit({ migrationId: id, taskToken: `turn-${id}` })));
    expect(turns(made)).toHaveLength(2);
    while (turns(made).length < 5) {
      const [next] = turns(made).filter((id) => !over.has(id));
      if (next === undefined) throw new Error("Expected a migration to hold a slot");
      over.add(next);
      const before = turns(made).length;
      await arriveAt(hostTwo, next);
      await complete({ migrationId: next });
      expect(turns(made)).toHaveLength(before + 1);
    }
  });
});

const over = new Set<string>();

async function arriveAt(target: TestAgent, id: string) {
  await arrive(target, (await operate("GET", `/v1/migrations/${id}`)).body as Migration);
}

const inputOf = (id: Migration["id"]) => JSON.parse(hosts.cloud.stub.executions.get(id) ?? "");

/** Slots and memory that are taken of each host as a target. */
async function takenOfTargets(): Promise<Record<string, { in: string[]; bytes: unknown }>> {
  const items = (await hosts.cloud.scan()).filter(
    ({ pk, sk }) => String(pk).startsWith("HOST#") && sk === "META",
  );
  return Object.fromEntries(
    items.map(({ id, incoming, reservedBytes: bytes }) => [
      String(id),
      { in: [...((incoming as Set<string> | undefined) ?? [])], bytes },
    ]),
  );
}

const post = (body: object, key?: string) =>
  operate("POST", "/v1/migrations", body, key === undefined ? {} : { "idempotency-key": key });

const dryRun = () =>
  operate("POST", "/v1/migrations?dryRun=true", { vm: hosts.vm, target: "host-b" });

const turns = (ids: Migration["id"][]) =>
  ids.filter((id) => hosts.cloud.stub.ended.some(({ token, ok }) => token === `turn-${id}` && ok));

async function migrationsOf(name: string): Promise<string[]> {
  const { body } = await operate("GET", `/v1/migrations?vm=${name}`);
  return (body.items as Migration[]).map(({ id }) => id);
}

const tableBut = async (pk: string) => (await hosts.cloud.scan()).filter((item) => item.pk !== pk);

/** The items without `lastSeq` and `lastEventAt`, which every event of a host changes. */
function unnumbered(items: Record<string, unknown>[]) {
  return items.map(({ lastSeq: _seq, changeSeq: _number, lastEventAt: _at, ...rest }) => rest);
}

const handover = { address: "192.0.2.2", port: 49_152 };
type Answer = { result: unknown } | { error: { code: "qemu"; message: string } };
const completed = (result: unknown): Answer => ({ result });
const twinCheck = (differences: object[]) => {
  const counts = { values: 9, harmless: [], harmlessTotal: 0, checkMs: 8 };
  return { twinCheck: { ...counts, differences, differencesTotal: differences.length } };
};

/** Answers all commands of a dry run. @returns their verbs; without the source's none is awaited */
async function rehearse(source: Answer | undefined, target: Answer = completed({ handover })) {
  await answerProbes(fitting);
  const verbs = [await answerNext(hosts.target, target)];
  if (source !== undefined) verbs.push(await answerNext(hosts.source, source));
  verbs.push(await answerNext(hosts.target, completed({ discarded: true })));
  return verbs;
}

async function answerNext(agent: TestAgent, answer: Answer): Promise<string> {
  const [{ id: commandId, verb } = expect.unreachable("no command")] = await commandsOf(agent, 1);
  if ("error" in answer) await agent.emit({ type: "command.failed", commandId, ...answer });
  else await agent.emit({ type: "command.completed", commandId, ...answer });
  return verb;
}

async function answerProbes(seen: typeof sourceProbe | "fails") {
  const [asked] = await commandsOf(hosts.source, 1);
  const [other] = await commandsOf(hosts.target, 1);
  if (asked === undefined || other === undefined) throw new Error("Expected two commands");
  const error = { code: "not-found", message: "no such guest" } as const;
  await hosts.source.emit(
    seen === "fails"
      ? { type: "command.failed", commandId: asked.id, error }
      : { type: "command.completed", commandId: asked.id, result: seen },
  );
  await hosts.target.emit({ type: "command.completed", commandId: other.id, result: targetProbe });
}

async function commandsOf(agent: TestAgent, wanted: number) {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const commands = await agent.take();
    if (commands.length >= wanted) return commands;
  }
  throw new Error(`Expected ${wanted} commands for ${agent.host}`);
}
