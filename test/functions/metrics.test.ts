import { GetQueueUrlCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { app } from "../../functions/api/app.ts";
import { queues } from "../../functions/runtime/clients.ts";
import { logReadings } from "../../functions/service/log-readings.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { OPERATOR_TOKEN, startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { smallDefinition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm } from "./testing/fleet.ts";

let cloud: TestCloud;

beforeAll(async () => {
  process.env.METRICS_NAMESPACE = "Test";
  cloud = await startTestCloud();
  const source = await addHost("host-a");
  await addHost("host-b");
  await addVm("web1", source, smallDefinition);
});
afterEach(() => void vi.restoreAllMocks());
afterAll(() => cloud.close());

async function scrape(): Promise<string[]> {
  const answer = await app.request("/metrics", {
    headers: { authorization: `Bearer ${OPERATOR_TOKEN}` },
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^application\/openmetrics-text; version=1/);
  return (await answer.text()).split("\n");
}

/** What functions log for CloudWatch, as it is logged. */
function logLines(): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    lines.push(JSON.parse(String(text)));
    return true;
  });
  return lines;
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

  it("say of the other things that they are few", async () => {
    const lines = await scrape();
    expect(lines).toContain("switchyard_hosts_silent 0");
    expect(lines).toContain("switchyard_migrations_waiting 0");
    expect(lines).toContain("switchyard_dead_letters 0");
    expect(lines.filter((line) => line.startsWith("switchyard_evacuations{"))).toEqual([]);
  });

  it("count the commands that nobody took", async () => {
    const queue = process.env.DEAD_LETTER_QUEUE_ARN?.split(":").at(-1);
    const { QueueUrl } = await queues().send(new GetQueueUrlCommand({ QueueName: queue }));
    await queues().send(new SendMessageCommand({ QueueUrl, MessageBody: "{}" }));
    expect(await scrape()).toContain("switchyard_dead_letters 1");
  });

  it("leave out a figure that cannot be had, and show the others", async () => {
    vi.spyOn(queues(), "send").mockRejectedValue(new Error("no queue"));
    const lines = await scrape();
    vi.restoreAllMocks();
    expect(lines.some((line) => line.startsWith("switchyard_dead_letters "))).toBe(false);
    expect(lines).toContain("switchyard_hosts_silent 0");
  });

  it("count a migration once, however often its end is written", async () => {
    const { id } = await addMigration("web1", "host-b");
    expect(await scrape()).toContain('switchyard_migrations_in_flight{phase="admit"} 1');
    const end = { migrationId: id, action: "end", reason: "r", error: "MigrationCancelled" };
    const logged = logLines();
    await endMigration(end);
    await endMigration(end);
    expect(logged.flatMap(({ switchyard_migrations_total: count }) => count ?? [])).toEqual([1]);
    expect(logged.filter(({ outcome }) => outcome === "cancelled")).toHaveLength(1);
    expect(JSON.stringify(logged)).not.toContain(id);
    const lines = await scrape();
    expect(lines).toContain('switchyard_migrations_total{outcome="cancelled"} 1');
    expect(lines).toContain('switchyard_migration_duration_seconds_count{outcome="cancelled"} 1');
    expect(lines).toContain(
      'switchyard_migration_failures_total{code="migration-cancelled",phase="admit"} 1',
    );
  });

  it("of the whole fleet are logged for CloudWatch with hosts added up", async () => {
    const logged = logLines();
    await logReadings();
    const of = (name: string) => logged.filter((line) => name in line);
    expect(of("switchyard_hosts")).toMatchObject([{ state: "active", switchyard_hosts: [2] }]);
    expect(of("switchyard_host_slots_limit")).toMatchObject([
      { direction: "out", switchyard_host_slots_limit: [4] },
      { direction: "in", switchyard_host_slots_limit: [4] },
    ]);
    expect(of("switchyard_vms_unknown")).toMatchObject([{ switchyard_vms_unknown: [0] }]);
    expect(JSON.stringify(logged)).not.toContain("host-a");
  });
});
