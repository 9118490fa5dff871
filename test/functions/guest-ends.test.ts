import { describe, expect, it } from "vitest";
import type { EventBody } from "../../core/protocol/event.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { vmId } from "./testing/fixtures.ts";
import { arrive, operate } from "./testing/fleet.ts";
import { MEMORY_BYTES, recordOf, TwoHosts } from "./testing/two-hosts.ts";

const hosts = TwoHosts.forEachTest();

type Exit = Partial<Extract<EventBody, { type: "guest.exited" }>>;
const exited = (exit: Exit): EventBody => ({
  type: "guest.exited",
  vm: vmId(hosts.vm),
  detail: "exit code 0",
  ...exit,
});

const heldBytes = async () =>
  (await hosts.cloud.scan()).find(({ pk }) => pk === `VM#${hosts.vm}`)?.heldBytes;

const powerOff = { shutdown: { guest: true, reason: "guest-shutdown" } };
const panic = { shutdown: { guest: true, reason: "guest-panic" }, panicked: true } as const;

const exits: [string, Exit, { state: string; detail: string }][] = [
  [
    "power-off",
    powerOff,
    { state: "stopped", detail: "the guest powered itself off: exit code 0" },
  ],
  ["panic", panic, { state: "panicked", detail: "the guest panicked: exit code 0" }],
  [
    "kill",
    { shutdown: { guest: false, reason: "host-signal" } },
    { state: "failed", detail: "QEMU was ended (host-signal): exit code 0" },
  ],
  ["crash", { detail: "signal 11" }, { state: "failed", detail: "signal 11" }],
];

describe("A9: a guest's QEMU that ends", () => {
  it.each(exits)("outside of a migration: %s", async (_, exit, state) => {
    await hosts.source.emit(exited(exit));
    expect(await hosts.vmNow()).toMatchObject(state);
    expect(await hosts.vmNow()).not.toHaveProperty("runState");
    expect(await heldBytes()).toBe(0);
    const table = await hosts.cloud.scan();
    await hosts.source.emit({ type: "guest.run-state", vm: vmId(hosts.vm), runState: "running" });
    expect(await hosts.vmNow()).toMatchObject(state);
    expect((await hosts.cloud.scan()).length).toBe(table.length);
    expect(await operate("DELETE", `/v1/vms/${hosts.vm}`)).toMatchObject({ status: 204 });
  });

  const codes: Record<string, string> = { stopped: "guest-shut-down", panicked: "guest-panicked" };

  it.each(exits)("on the source in precopy: %s", async (_, exit, end) => {
    const made = await hosts.move();
    await hosts.source.emit(exited(exit));
    await endMigration({
      migrationId: made.id,
      action: "lost",
      reason: "the source's process ended before the target had it all",
      error: "MigrationFailed",
      cause: `the source's QEMU process ended: ${end.detail}`,
    });
    const ended = await recordOf(made.id);
    const code = codes[end.state] ?? "guest-lost";
    expect(ended).toMatchObject({ status: "failed", failure: { code, phase: "admit" } });
    expect(ended).not.toHaveProperty("runningOn");
    expect(ended.endState).toEqual(
      end.state === "failed" ? undefined : { host: "host-a", state: end.state },
    );
    const known = await hosts.vmNow();
    expect(known).toMatchObject({ state: end.state, host: "host-a" });
    expect(known.detail).toContain(end.detail);
    expect(known).not.toHaveProperty("lockedBy");
    expect(await heldBytes()).toBe(0);
  });

  it.each(exits)("on the target after its arrival: %s", async (_, exit, end) => {
    const made = await hosts.move();
    await arrive(hosts.target, made);
    await hosts.target.emit(exited(exit));
    await complete({ migrationId: made.id });
    expect(await hosts.vmNow()).toMatchObject({ ...end, host: "host-b" });
    const ended = await recordOf(made.id);
    expect(ended).toMatchObject({
      status: "completed",
      endState: { host: "host-b", state: end.state },
    });
    expect(ended).not.toHaveProperty("runningOn");
    expect(await heldBytes()).toBe(0);
  });

  it("is in the timeline of its migration, with QEMU's reason", async () => {
    const made = await hosts.move();
    await hosts.source.emit(exited(powerOff));
    const { body } = await operate("GET", `/v1/migrations/${made.id}/timeline`);
    expect(body.items).toContainEqual(
      expect.objectContaining({
        type: "guest.exited",
        origin: "host-a",
        detail: expect.objectContaining({ side: "source", ...powerOff }),
      }),
    );
  });
});

it("A9: a guest that powers itself off and keeps its process ends its migration", async () => {
  const made = await hosts.move();
  const off = { type: "guest.run-state", vm: vmId(hosts.vm), runState: "shutdown" } as const;
  await hosts.source.emit({ ...off, reason: "guest-shutdown" });
  const signals = (await hosts.cloud.scan()).find(
    ({ pk, sk }) => pk === `MIG#${made.id}` && sk === "SIGNALS",
  );
  expect(signals).toMatchObject({ interrupt: { kind: "failed" } });
  await endMigration({
    migrationId: made.id,
    action: "end",
    reason: "the guest is on the source, shutdown and the target is gone",
    error: "MigrationFailed",
    cause: "the guest powered itself off on the source",
  });
  expect(await recordOf(made.id)).toMatchObject({
    status: "failed",
    endState: { host: "host-a", state: "stopped", runState: "shutdown" },
    failure: {
      code: "guest-shut-down",
      message: "the guest powered itself off on the source",
      cure: expect.stringContaining("start it again"),
    },
  });
  expect(await hosts.vmNow()).toMatchObject({ state: "stopped", detail: "guest-shutdown" });
  expect(await heldBytes()).toBe(MEMORY_BYTES);
});
