import { afterAll, beforeAll, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import type { Difference } from "../../core/twin/comparison.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";

let cloud: TestCloud;
let source: TestAgent;
let target: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a");
  target = await addHost("host-b");
});

afterAll(() => cloud.close());

const NETDEV: Difference = {
  name: 'device pci/04.0 (e1000 "nic0"): netdev',
  source: "net0",
  target: null,
  cure: "bring the definition in step",
};

function compared({ id: migrationId, vm, epoch }: Migration, found: Difference[]): EventBody {
  return {
    type: "migration.compared",
    migrationId,
    vm,
    epoch,
    checkMs: 21.5,
    values: 700,
    differences: found,
    differencesTotal: found.length,
    harmless: [],
    harmlessTotal: 0,
  };
}

async function recordOf({ id }: Migration): Promise<Migration> {
  return (await operate("GET", `/v1/migrations/${id}`)).body as unknown as Migration;
}

it("the record has the comparison of the source's agent, and of nobody else", async () => {
  await addVm("vm1", source);
  const migration = await addMigration("vm1", "host-b");
  await target.emit(compared(migration, [NETDEV]));
  expect(await recordOf(migration)).not.toHaveProperty("twinCheck");

  await source.emit(compared(migration, []));
  const record = await recordOf(migration);
  expect(record.twinCheck).toMatchObject({ checkMs: 21.5, values: 700, differences: [] });
  expect(record).not.toHaveProperty("failure");
  // The first one counts.
  await source.emit(compared(migration, [{ ...NETDEV, name: "later" }]));
  expect((await recordOf(migration)).twinCheck?.differences).toEqual([]);
});

it("a difference is the failure, with both values, whatever the workflow caught", async () => {
  await addVm("vm2", source);
  const migration = await addMigration("vm2", "host-b");
  await source.emit(compared(migration, [NETDEV]));
  const request = { migrationId: migration.id, action: "end", reason: "it stayed" };
  await endMigration({ ...request, error: "CommandFailed", cause: "differs: something" });

  const { status, twinCheck, failure } = await recordOf(migration);
  expect(status).toBe("failed");
  expect(twinCheck?.differences).toEqual([NETDEV]);
  expect(failure).toMatchObject({ code: "sides-differ", phase: "precopy" });
  expect(failure?.message).toBe(
    `${NETDEV.name}: the source has \`net0\`, the target nothing: ${NETDEV.cure}`,
  );
  expect(failure?.cure).toContain("acceptDifferences");
});
