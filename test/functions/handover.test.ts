import { beforeEach, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { handler as awaitSignal } from "../../functions/task/await-signal.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { figures } from "./testing/fixtures.ts";
import { arrive, operate, type TestAgent } from "./testing/fleet.ts";
import { recordOf, TwoHosts } from "./testing/two-hosts.ts";

const hosts = TwoHosts.forEachTest();
let made: Migration;

beforeEach(async () => {
  made = await hosts.move();
});

const record = () => recordOf(made.id);
const ended = (token: string) =>
  hosts.cloud.stub.ended.filter((one) => one.token === token).map((one) => one.error ?? "ok");

async function emit(agent: TestAgent, ...bodies: object[]) {
  const { id: migrationId, vm, epoch } = made;
  await agent.emit(...bodies.map((body) => ({ migrationId, vm, epoch, ...body }) as never));
}

const completed = (handedOver: boolean) => ({
  type: "migration.source-completed",
  figures,
  handedOver,
});
const refused = { type: "migration.run-refused", message: 'Failed to get "write" lock' };

async function confirm(token: string) {
  for (const phase of ["reconcile", "confirm"] as const) {
    await awaitSignal({ migrationId: made.id, signal: "target-arrived", phase, taskToken: token });
  }
}

describe("B8: a source that did not hear of the guest's arrival", () => {
  it.each(["before", "after"])("ends the wait for it: %s the wait began", async (when) => {
    const token = `confirm-${made.id}`;
    if (when === "before") await emit(hosts.source, completed(false));
    await confirm(token);
    if (when === "after") await emit(hosts.source, completed(false));
    expect(ended(token)).toContain("HandoverFailed");
  });

  it("is overtaken by the arrival itself", async () => {
    await arrive(hosts.target, made);
    await emit(hosts.source, completed(false));
    await confirm(`late-${made.id}`);
    expect(ended(`late-${made.id}`)).toContain("ok");
    expect(ended(`late-${made.id}`)).not.toContain("HandoverFailed");
  });

  it("does not end a wait when it did hear of it", async () => {
    await confirm(`heard-${made.id}`);
    await emit(hosts.source, completed(true));
    expect(ended(`heard-${made.id}`)).toEqual([]);
  });
});

describe("A1: a target whose QEMU refuses to run the guest", () => {
  it("is never recorded as completed", async () => {
    await emit(hosts.source, { type: "migration.stopped" }, completed(false));
    await emit(hosts.target, refused);
    const table = await hosts.cloud.scan();
    await expect(complete({ migrationId: made.id })).rejects.toMatchObject({
      name: "RetryableError",
      message: expect.stringContaining("host-b has not reported the guest's arrival"),
    });
    expect(await hosts.cloud.scan()).toEqual(table);
    expect(await hosts.vmNow()).toMatchObject({ state: "migrating", host: "host-a" });
  });

  it("is in the record in QEMU's own words", async () => {
    await emit(hosts.target, refused);
    await emit(hosts.source, completed(false));
    await endMigration({
      migrationId: made.id,
      action: "freeze",
      reason: "resume-target was tried 5 times",
      error: "HandoverFailed",
      cause: "the source has completed",
    });
    expect(await record()).toMatchObject({
      status: "unknown",
      failure: { message: `the source has completed: ${refused.message}` },
    });
    const { body } = await operate("GET", `/v1/migrations/${made.id}/timeline`);
    expect(body.items).toContainEqual(
      expect.objectContaining({ type: refused.type, detail: { message: refused.message } }),
    );
  });

  it("does not interrupt the wait while it is still tried again", async () => {
    await confirm(`tried-${made.id}`);
    await emit(hosts.target, refused);
    expect(ended(`tried-${made.id}`)).toEqual([]);
    await arrive(hosts.target, made);
    expect(ended(`tried-${made.id}`)).toContain("ok");
  });
});

describe("B2: times in which the guest stood still", () => {
  const one = { type: "migration.standstill", sinceMs: 1_000, reason: "io-error" };

  it("are recorded with their beginning and end, and end no phase", async () => {
    await emit(hosts.source, one);
    expect(await record()).toMatchObject({ standstills: [{ sinceMs: 1_000, reason: "io-error" }] });
    await emit(
      hosts.source,
      { ...one, untilMs: 4_000 },
      { ...one, sinceMs: 9_000, reason: "silent" },
    );
    const known = await record();
    expect(known.standstills).toEqual([
      { sinceMs: 1_000, untilMs: 4_000, reason: "io-error" },
      { sinceMs: 9_000, reason: "silent" },
    ]);
    expect(known).not.toHaveProperty("stoppedAtMs");
    const cancelled = await operate("POST", `/v1/migrations/${made.id}/cancel`);
    expect(cancelled.status).toBe(202);
  });

  const end = { ...one, untilMs: 4_000 };
  const other = { ...one, sinceMs: 9_000 };
  const since = ({ sinceMs }: { sinceMs: number }) => expect.objectContaining({ sinceMs });

  it.each([
    ["an end whose beginning comes later", [end, one], [{ ...end, type: undefined }]],
    ["an end without its beginning", [end], [{ ...end, type: undefined }]],
    ["repeated reports", [one, end, one, end, end], [{ ...end, type: undefined }]],
    ["two", [one, other, end], [{ ...end, type: undefined }, since(other)]],
  ])("meet: %s", async (_, reports, known) => {
    await emit(hosts.source, ...reports);
    expect((await record()).standstills).toEqual(known);
  });

  it("are bounded: the end of a known one is still taken", async () => {
    const many = Array.from({ length: 25 }, (_, sinceMs) => ({ ...one, sinceMs }));
    await emit(hosts.source, ...many);
    await emit(hosts.source, { ...one, sinceMs: 3, untilMs: 4 });
    const { standstills } = await record();
    expect(standstills).toHaveLength(20);
    expect(standstills?.[3]).toMatchObject({ sinceMs: 3, untilMs: 4 });
  });

  it("and the blackout are also recorded when they come after the end", async () => {
    await emit(hosts.source, one, { type: "migration.stopped" }, completed(true));
    await arrive(hosts.target, made);
    await complete({ migrationId: made.id });
    await emit(hosts.source, { ...one, untilMs: 2_000 });
    await emit(hosts.source, { type: "migration.handed-over", blackoutMs: 12_345 });
    expect(await record()).toMatchObject({
      status: "completed",
      blackoutMs: 12_345,
      figures: { downtimeMs: figures.downtimeMs },
      standstills: [{ sinceMs: 1_000, untilMs: 2_000 }],
    });
    const table = await hosts.cloud.scan();
    await emit(hosts.target, { type: "migration.run-refused", message: "late" });
    // The host has been heard.
    const rows = ({ sk }: Record<string, unknown>) => !["META", "HEARD"].includes(String(sk));
    expect((await hosts.cloud.scan()).filter(rows)).toEqual(table.filter(rows));
  });
});

describe("F3: the end of a migration is written whatever the workflow caught", () => {
  it.each([
    [{ cause: null }],
    [{ error: null, cause: null, reason: null }],
    [{}],
    [{ cause: "x".repeat(300_000), reason: "y".repeat(300_000), error: "E".repeat(100_000) }],
    [{ cause: { errorMessage: "an object" }, error: 7, reason: ["a list"] }],
  ])("%#", async (input) => {
    await endMigration({ migrationId: made.id, action: "end", ...input });
    const { status, failure } = await record();
    expect(status).toBe("failed");
    expect(failure?.message).toMatch(/./);
    expect(JSON.stringify(failure).length).toBeLessThan(20_000);
    expect(await hosts.vmNow()).toMatchObject({ state: "running", host: "host-a" });
  });

  it("touches nothing after an action that nobody knows", async () => {
    await endMigration({ migrationId: made.id, action: null });
    expect(await record()).toMatchObject({ status: "unknown" });
  });
});
