import { describe, expect, it } from "vitest";
import { MigrationId } from "../../core/id.ts";
import type { Migration } from "../../core/migration/migration.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import type { Vm } from "../../core/vm.ts";
import { readMigration } from "../../functions/store/migration-record.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { definition, figures, vmId } from "./testing/fixtures.ts";
import { arrive, operate } from "./testing/fleet.ts";
import { MEMORY_BYTES, recordOf, TwoHosts } from "./testing/two-hosts.ts";

const hosts = TwoHosts.forEachTest();

function changed(runState: string, reason?: string): EventBody {
  const why = reason === undefined ? {} : { reason };
  return { type: "guest.run-state", vm: vmId(hosts.vm), runState, ...why };
}

function about({ id: migrationId, epoch }: Migration, body: object): EventBody {
  return { migrationId, vm: hosts.vm, epoch, ...body } as EventBody;
}

const stopped = { type: "migration.stopped" };
const sourceCompleted = { type: "migration.source-completed", figures, handedOver: true };

const timelineTypes = async (id: string) => {
  const { body } = await operate("GET", `/v1/migrations/${id}/timeline`);
  return (body.items as { type: string; detail: unknown }[]).filter(
    ({ type }) => type === "guest.run-state",
  );
};

describe("a guest outside of a migration", () => {
  const settled: [string, Vm["state"]][] = [
    ["running", "running"],
    ["paused", "paused"],
    ["suspended", "suspended"],
    ["io-error", "io-error"],
    ["guest-panicked", "panicked"],
    ["internal-error", "paused"],
    ["watchdog", "paused"],
    ["shutdown", "stopped"],
    ["a-state-of-a-newer-qemu", "paused"],
  ];
  const pairs = settled.flatMap((from) => settled.map((to) => [from, to] as const));

  it.each(pairs)("%j, then %j", async ([before], [runState, state]) => {
    await hosts.source.emit(changed(before, "before"), changed(runState, "the reason"));
    expect(await hosts.vmNow()).toMatchObject({ state, runState, detail: "the reason" });
    await hosts.source.emit(changed("running"));
    expect(await hosts.vmNow()).not.toHaveProperty("detail");
  });

  it("A11: stops with an I/O error long after its move", async () => {
    const made = await hosts.move();
    await arrive(hosts.target, made);
    await complete({ migrationId: made.id });
    expect(await hosts.vmNow()).toMatchObject({
      state: "running",
      host: "host-b",
      runState: "running",
    });
    await hosts.target.emit(
      changed("io-error", "BLOCK_IO_ERROR read on node d: Input/output error"),
    );
    expect(await hosts.vmNow()).toMatchObject({
      state: "io-error",
      detail: "BLOCK_IO_ERROR read on node d: Input/output error",
      stateSince: new Date(1_800_000_000_000 + hosts.target.seq).toISOString(),
    });
    await hosts.source.emit(changed("running"));
    expect(await hosts.vmNow()).toMatchObject({ state: "io-error", host: "host-b" });
  });

  it("is in its state since the change, not since the last report of it", async () => {
    await hosts.source.emit(changed("paused"));
    const { stateSince } = await hosts.vmNow();
    await hosts.source.emit(changed("paused"));
    expect((await hosts.vmNow()).stateSince).toBe(stateSince);
  });

  it("is not changed by events that come again, or come from another host", async () => {
    const events = hosts.source.number(changed("paused", "first"), changed("running"));
    const batch = { version: 1, host: hosts.source.host, events };
    await hosts.source.send("events", batch);
    const table = await hosts.cloud.scan();
    const { applyEvents } = await import("../../functions/agent-events/apply-events.ts");
    await applyEvents(hosts.source.host, events);
    expect(await hosts.cloud.scan()).toEqual(table);
    await hosts.target.emit(changed("paused"));
    expect(await hosts.vmNow()).toMatchObject({ state: "running" });
  });

  it("is starting until its start was answered, whatever was reported before", async () => {
    hosts.vm = `early-${hosts.vm}`;
    const small = { ...definition, memoryBytes: MEMORY_BYTES };
    await operate("POST", "/v1/vms", { id: hosts.vm, host: "host-a", definition: small });
    await hosts.source.emit(changed("paused"));
    expect(await hosts.vmNow()).toMatchObject({ state: "starting", runState: "paused" });
    await hosts.source.complete({ definition: small, pid: 1, runState: "running" });
    expect(await hosts.vmNow()).toMatchObject({ state: "paused", runState: "paused" });
  });

  it.each([
    ["running", "running"],
    ["paused", "paused"],
    ["io-error", "io-error"],
    [undefined, "paused"],
  ])("that was adopted %s is %s", async (runState, state) => {
    hosts.vm = `adopted-${hosts.vm}`;
    const small = { ...definition, memoryBytes: MEMORY_BYTES };
    const adopt = { qmpPath: "/run/vm.qmp" };
    await operate("POST", "/v1/vms", { id: hosts.vm, host: "host-a", definition: small, adopt });
    await hosts.source.complete({ definition: small, pid: 1, ...(runState ? { runState } : {}) });
    expect(await hosts.vmNow()).toMatchObject({ state });
  });

  it("that has powered itself off with its process alive is stopped, not removed", async () => {
    await hosts.source.emit(changed("shutdown"));
    expect(await hosts.vmNow()).toMatchObject({ state: "stopped" });
    expect(await operate("DELETE", `/v1/vms/${hosts.vm}?mode=quit`)).toMatchObject({ status: 202 });
    await hosts.source.complete({ stopped: true });
    expect(await operate("DELETE", `/v1/vms/${hosts.vm}`)).toMatchObject({ status: 204 });
  });
});

describe("a guest that a migration holds", () => {
  it("A7: paused by an operator while it moves, arrives paused", async () => {
    const made = await hosts.move();
    await hosts.source.emit(changed("paused", "an operator's stop"));
    expect(await hosts.vmNow()).toMatchObject({ state: "migrating", runState: "paused" });
    expect(await readMigration(MigrationId.parse(made.id))).toMatchObject({
      runStateBefore: "paused",
    });
    await hosts.source.emit(about(made, sourceCompleted), changed("running"));
    expect(await readMigration(MigrationId.parse(made.id))).toMatchObject({
      runStateBefore: "paused",
    });
    await arrive(hosts.target, made, "paused");
    await complete({ migrationId: made.id });
    const ended = await recordOf(made.id);
    expect(ended).toMatchObject({
      status: "completed",
      endState: { host: "host-b", state: "paused", runState: "paused" },
    });
    expect(ended).not.toHaveProperty("runningOn");
    expect(ended).not.toHaveProperty("targetRunningAtMs");
    expect(await hosts.vmNow()).toMatchObject({ state: "paused", host: "host-b" });
    expect(await timelineTypes(made.id)).toMatchObject([
      { detail: { side: "source", runState: "paused", reason: "an operator's stop" } },
      { detail: { side: "source", runState: "running" } },
    ]);
  });

  it.each([
    ["A8", "paused", "paused"],
    ["A10", "suspended", "suspended"],
    ["A11", "io-error", "io-error"],
    ["A9", "guest-panicked", "panicked"],
  ])("%s: a guest that is %s moves, and is %s on the target", async (_, runState, state) => {
    await hosts.source.emit(changed(runState));
    const made = await hosts.move();
    await hosts.source.emit(about(made, sourceCompleted));
    await arrive(hosts.target, made, runState);
    await complete({ migrationId: made.id });
    expect(await hosts.vmNow()).toMatchObject({ state, runState, host: "host-b" });
    expect(await recordOf(made.id)).not.toHaveProperty("runningOn");
  });

  it("has the run state of the side that has it", async () => {
    const made = await hosts.move();
    await hosts.target.emit(changed("inmigrate"), changed("paused"));
    expect(await hosts.vmNow()).toMatchObject({ runState: "running" });
    await hosts.source.emit(about(made, stopped), changed("finish-migrate"));
    expect(await hosts.vmNow()).toMatchObject({ runState: "running" });
    await hosts.source.emit(about(made, sourceCompleted), changed("postmigrate"));
    await arrive(hosts.target, made);
    await hosts.target.emit(changed("io-error", "read error"));
    expect(await hosts.vmNow()).toMatchObject({ state: "migrating", runState: "io-error" });
    await complete({ migrationId: made.id });
    expect(await hosts.vmNow()).toMatchObject({ state: "io-error", detail: "read error" });
  });

  it.each([
    ["paused", "paused"],
    ["suspended", "suspended"],
    ["io-error", "io-error"],
    ["running", "running"],
  ] as const)("B3: is %s on the source after its migration failed", async (runState, state) => {
    const made = await hosts.move();
    await hosts.source.emit(changed("paused"), changed(runState, "why"));
    await endMigration({ migrationId: made.id, action: "end", reason: "r" });
    expect(await hosts.vmNow()).toMatchObject({ state, runState, detail: "why", host: "host-a" });
    const ended = await recordOf(made.id);
    expect(ended.endState).toEqual({ host: "host-a", state, runState });
    expect(ended.runningOn).toBe(runState === "running" ? "host-a" : undefined);
  });

  it("is in its earlier state when nothing of it was reported", async () => {
    await hosts.source.emit(changed("io-error", "disk full"));
    const made = await hosts.move();
    expect(await hosts.vmNow()).toMatchObject({ state: "migrating" });
    await endMigration({ migrationId: made.id, action: "end", reason: "r" });
    expect(await hosts.vmNow()).toMatchObject({ state: "io-error", detail: "disk full" });
  });
});
