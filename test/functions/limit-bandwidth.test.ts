import { afterAll, beforeAll, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { keys } from "../../functions/store/keys.ts";
import { BANDWIDTH_CHANGES_MAX } from "../../functions/store/migration-progress.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";

let cloud: TestCloud;
let source: TestAgent;
let migration: Migration;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a");
  await addHost("host-b");
  await addVm("vm1", source);
  migration = await addMigration("vm1", "host-b");
});

afterAll(() => cloud.close());

const patch = (maxBandwidthBytesPerSecond: unknown) =>
  operate("PATCH", `/v1/migrations/${migration.id}`, { maxBandwidthBytesPerSecond });
const identity = () => ({ migrationId: migration.id, vm: migration.vm, epoch: migration.epoch });

it("changes the limit while the migration sends, and only then", async () => {
  expect(await patch(1_000_000)).toMatchObject({
    status: 409,
    body: { code: "migration-not-started" },
  });
  await source.emit({ type: "migration.started", ...identity() });

  const changed = await patch(1_000_000);
  expect(changed).toMatchObject({ status: 202, body: { maxBandwidthBytesPerSecond: 1_000_000 } });
  expect(await patch(0)).toMatchObject({ status: 202, body: { maxBandwidthBytesPerSecond: 0 } });
  const commands = await source.take();
  expect(commands.map(({ id, verb, args }) => ({ id, verb, args }))).toEqual(
    [1_000_000, 0].map((maxBandwidthBytesPerSecond, index) => ({
      id: `${migration.id}.set.${index + 1}`,
      verb: "source.set",
      args: { maxBandwidthBytesPerSecond, revision: index + 1 },
    })),
  );

  await source.emit({
    type: "migration.bandwidth-set",
    ...identity(),
    maxBandwidthBytesPerSecond: 1_000_000,
  });
  const { body } = await operate("GET", `/v1/migrations/${migration.id}/timeline`);
  expect(body.items).toContainEqual(
    expect.objectContaining({
      type: "migration.bandwidth-set",
      origin: "host-a",
      detail: { maxBandwidthBytesPerSecond: 1_000_000 },
    }),
  );
});

it.each([[-1], [1.5], ["10"], [null], [2 ** 60]])("refuses %j as a limit", async (value) => {
  expect(await patch(value)).toMatchObject({ status: 422 });
  expect(await source.take()).toEqual([]);
});

it("refuses a change of a limit that was changed as often as it may be", async () => {
  const key = keys.migration(migration.id);
  await cloud.update(key, "bandwidthRevision", BANDWIDTH_CHANGES_MAX - 1);
  expect(await patch(1_000)).toMatchObject({ status: 202 });
  const [command] = await source.take();
  expect(command).toMatchObject({ args: { revision: BANDWIDTH_CHANGES_MAX } });
  const { status, body } = await patch(2_000);
  expect({ status, body }).toMatchObject({ status: 409, body: { code: "too-many-changes" } });
  expect(body.detail).toContain(`${BANDWIDTH_CHANGES_MAX} times`);
  expect(await source.take()).toEqual([]);
  const { body: kept } = await operate("GET", `/v1/migrations/${migration.id}`);
  expect(kept.maxBandwidthBytesPerSecond).toBe(1_000);
});

it("refuses a change once the guest has stopped, and after the end", async () => {
  await source.emit({ type: "migration.stopped", ...identity() });
  expect(await patch(5)).toMatchObject({
    status: 409,
    body: { code: "migration-switching-over" },
  });
  await endMigration({ migrationId: migration.id, action: "end", reason: "test", error: "Test" });
  expect(await patch(5)).toMatchObject({ status: 409, body: { code: "migration-over" } });
  expect(await source.take()).toEqual([]);
  const unknown = await operate("PATCH", "/v1/migrations/mig_01ARZ3NDEKTSV4RRFFQ69G5FAV", {
    maxBandwidthBytesPerSecond: 1,
  });
  expect(unknown).toMatchObject({ status: 404 });
});
