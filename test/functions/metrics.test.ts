import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { app } from "../../functions/api/app.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { OPERATOR_TOKEN, startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { smallDefinition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm } from "./testing/fleet.ts";

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
  const source = await addHost("host-a");
  await addHost("host-b");
  await addVm("web1", source, smallDefinition);
});
afterAll(() => cloud.close());

async function scrape(): Promise<string[]> {
  const answer = await app.request("/metrics", {
    headers: { authorization: `Bearer ${OPERATOR_TOKEN}` },
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^application\/openmetrics-text; version=1/);
  return (await answer.text()).split("\n");
}

describe("the metrics", () => {
  it("need the token", async () => {
    expect((await app.request("/metrics")).status).toBe(401);
  });

  it("show what is in use now", async () => {
    const lines = await scrape();
    expect(lines).toContain('switchyard_hosts{state="active"} 2');
    expect(lines).toContain('switchyard_vms{host="host-a"} 1');
    expect(lines).toContain('switchyard_host_slots_used{host="host-a",direction="out"} 0');
    expect(lines).toContain("switchyard_vms_unknown 0");
    expect(lines.slice(-2)).toEqual(["# EOF", ""]);
  });

  it("count a migration once, however often its end is written", async () => {
    const { id } = await addMigration("web1", "host-b");
    expect(await scrape()).toContain('switchyard_migrations_in_flight{phase="admit"} 1');
    const end = { migrationId: id, action: "end", reason: "r", error: "MigrationCancelled" };
    await endMigration(end);
    await endMigration(end);
    const lines = await scrape();
    expect(lines).toContain('switchyard_migrations_total{outcome="cancelled"} 1');
    expect(lines).toContain('switchyard_migration_duration_seconds_count{outcome="cancelled"} 1');
    expect(lines).toContain(
      'switchyard_migration_failures_total{code="migration-cancelled",phase="admit"} 1',
    );
  });
});
