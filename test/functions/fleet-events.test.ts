import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { FleetEvent } from "../../core/fleet-event/fleet-event.ts";
import { sweepSilentHosts } from "../../functions/service/sweep-silent-hosts.ts";
import {
  addEvents,
  eventOfNow,
  eventRow,
  inTime,
  SETTLE_MS,
} from "../../functions/store/fleet-events.ts";
import { putItem } from "../../functions/store/table.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { facts, figures, hostId, smallDefinition, vmId } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, arrive, operate, silence } from "./testing/fleet.ts";

type Page = { items: FleetEvent[]; cursor: string; more: boolean };

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
});
afterAll(async () => {
  vi.useRealTimers();
  await cloud.close();
});

/** What was written before is over; what comes now is another millisecond. */
let start: string;
beforeEach(() => {
  settle();
  start = new Date().toISOString();
});

const settle = () => vi.setSystemTime(Date.now() + SETTLE_MS + 1);
const tick = () => vi.setSystemTime(Date.now() + 1);

async function ask(query: Record<string, string>): Promise<Page> {
  const { status, body } = await operate("GET", `/v1/events?${new URLSearchParams(query)}`);
  expect(status).toBe(200);
  return body as Page;
}

const told = async () => {
  settle();
  const { items } = await ask({ after: start });
  return items.map(({ type, subject }) => `${type} ${subject}`);
};

describe("the events of the fleet", () => {
  it("tell what happens to hosts and to a migration, in order", async () => {
    const source = await addHost("host-a");
    tick();
    const target = await addHost("host-b");
    await addVm("web1", source, smallDefinition);
    tick();
    await operate("POST", "/v1/hosts/host-a/cordon", { owner: "alice", message: "new memory" });
    tick();
    await operate("POST", "/v1/hosts/host-a/cordon", { owner: "alice", message: "new memory" });
    await operate("POST", "/v1/hosts/host-a/uncordon");
    tick();
    const made = await addMigration("web1", "host-b");
    tick();
    await source.emit({
      type: "migration.source-completed",
      migrationId: made.id,
      vm: made.vm,
      epoch: made.epoch,
      figures,
      handedOver: true,
    });
    await arrive(target, made);
    await complete({ migrationId: made.id });
    tick();
    await target.emit({ type: "guest.run-state", vm: vmId("web1"), runState: "paused" });
    expect(await told()).toEqual([
      "host.active hosts/host-a",
      "host.active hosts/host-b",
      "host.cordoned hosts/host-a",
      "host.uncordoned hosts/host-a",
      `migration.requested migrations/${made.id}`,
      `migration.completed migrations/${made.id}`,
      "vm.run-state vms/web1",
    ]);
    const { items } = await ask({ after: start, type: "migration.completed,vm" });
    expect(items.map(({ data }) => data)).toEqual([
      {
        migration: made.id,
        vm: "web1",
        source: "host-a",
        target: "host-b",
        host: "host-b",
        downtimeMs: figures.downtimeMs,
      },
      { vm: "web1", host: "host-b", runState: "paused" },
    ]);
  });

  it("tell of a silent host once, and when it was heard again", async () => {
    const host = await addHost("host-s");
    tick();
    const past = await silence(host);
    const silent = ["host-s"];
    expect(await sweepSilentHosts()).toEqual({ silent, changes: 1 });
    expect(await sweepSilentHosts()).toEqual({ silent, changes: 0 });
    tick();
    await host.send("register", { host: "host-s", facts, instance: "i-2", heartbeatMs: 15_000 });
    expect(await sweepSilentHosts()).toEqual({ silent: [], changes: 1 });
    expect(await sweepSilentHosts()).toEqual({ silent: [], changes: 0 });
    expect((await told()).slice(-2)).toEqual([
      "host.silent hosts/host-s",
      "host.heard hosts/host-s",
    ]);
    const { items } = await ask({ after: start, type: "host.silent" });
    expect(items[0]?.data.message).toBe(`not heard since ${past}`);
  });
});

const heard = { type: "host.heard", data: { host: hostId("host-c") } } as const;

describe("a reader with a cursor", () => {
  it("is given every event once, whatever its pages, and then nothing", async () => {
    for (let wave = 0; wave < 3; wave += 1) {
      await addEvents(Array.from({ length: 50 }, () => heard));
      tick();
    }
    settle();
    const seen: string[] = [];
    let page: Page = { items: [], cursor: start, more: true };
    while (page.more) {
      page = await ask({ after: page.cursor, limit: "7" });
      expect(page.items.length).toBeLessThanOrEqual(7);
      seen.push(...page.items.map(({ id }) => id));
    }
    expect(new Set(seen).size).toBe(150);
    expect(seen).toHaveLength(150);
    expect(await ask({ after: page.cursor })).toMatchObject({ items: [], more: false });
  });

  it("is given an event only when none can be written before it any more", async () => {
    await addEvents([heard]);
    const early = await ask({ after: start });
    expect(early).toMatchObject({ items: [], more: false });
    settle();
    expect((await ask({ after: early.cursor })).items).toHaveLength(1);
  });

  it("is given the event of a write that took too long, after its cursor", async () => {
    const event = eventOfNow(heard);
    await inTime(async () => {
      settle();
    }, [event]);
    const { cursor } = await ask({ after: start });
    settle();
    expect((await ask({ after: cursor })).items).toEqual([event]);
  });

  it("is not given what a later version has told, and goes on after it", async () => {
    const later = { ...eventOfNow(heard), type: "host.teleported" };
    await putItem(eventRow(later as unknown as FleetEvent));
    tick();
    await addEvents([heard]);
    settle();
    expect(await ask({ after: start })).toMatchObject({ items: [{ type: "host.heard" }] });
  });

  it.each([
    ["type", "migration.exploded"],
    ["type", "hosts"],
    ["after", "yesterday"],
    ["limit", "101"],
  ])("that asks for %s=%s is refused", async (name, value) => {
    const { status, body } = await operate("GET", `/v1/events?${name}=${value}`);
    expect([status, body.code]).toEqual([422, "invalid"]);
  });
});
