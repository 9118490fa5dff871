import { afterAll, beforeAll, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";

let cloud: TestCloud;
let source: TestAgent;
let stranger: TestAgent;
let migration: Migration;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a");
  stranger = await addHost("host-b");
  await addHost("host-c");
  await addVm("vm1", source);
  migration = await addMigration("vm1", "host-c");
});

afterAll(() => cloud.close());

function ended(hook: "prepare" | "failed"): EventBody {
  const { id: migrationId, vm, epoch } = migration;
  return {
    type: "migration.hook",
    migrationId,
    vm,
    epoch,
    side: "source",
    hook,
    outcome: "succeeded",
    detail: "exit status 0",
    durationMs: 7,
    output: "done\n",
  };
}

async function lines() {
  const { body } = await operate("GET", `/v1/migrations/${migration.id}/timeline`);
  const items = body.items as { type: string; origin: string; detail: { hook?: string } }[];
  return items.flatMap(({ type, origin, detail }) =>
    type === "migration.hook" ? [`${origin} ${detail.hook}`] : [],
  );
}

it("hooks are in the timeline, also after the end, if the host is that side of the migration", async () => {
  await source.emit(ended("prepare"));
  await stranger.emit(ended("prepare"));
  expect(await lines()).toEqual(["host-a prepare"]);

  await endMigration({ migrationId: migration.id, action: "end", reason: "test", error: "Test" });
  const before = await operate("GET", `/v1/migrations/${migration.id}`);
  await source.emit(ended("failed"));
  await stranger.emit(ended("failed"));
  expect(await lines()).toEqual(["host-a prepare", "host-a failed"]);
  expect((await operate("GET", `/v1/migrations/${migration.id}`)).body).toEqual(before.body);
});
