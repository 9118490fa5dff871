import { SQSServiceException } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { queues } from "../../functions/runtime/clients.ts";
import { expirySecondsOf, VISIBILITY_SECONDS } from "../../functions/service/command-times.ts";
import { keys } from "../../functions/store/keys.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { smallDefinition, vmId } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";
import { interceptTable } from "./testing/intercept-table.ts";

let cloud: TestCloud;
let source: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a");
  await addHost("host-b");
  await addVm("vm-1", source, smallDefinition);
});
afterAll(() => cloud.close());

/** Requests for these operations of DynamoDB get no answer; returns what ends that. */
function failTable(...operations: string[]): () => void {
  return interceptTable(async (operation) => {
    if (operations.includes(operation)) throw new Error("no answer");
  });
}

describe("the table is out of reach, or its storage is full", () => {
  it("every request is answered 503 `table-unreachable`, and works again afterwards", async () => {
    const repair = failTable("GetItem", "Query");
    expect(await operate("GET", "/v1/vms/vm-1")).toMatchObject({
      status: 503,
      body: { code: "table-unreachable" },
    });
    const body = { vm: "vm-1", target: "host-b" };
    expect(await operate("POST", "/v1/migrations", body)).toMatchObject({ status: 503 });
    repair();
    expect(await operate("GET", "/v1/vms/vm-1")).toMatchObject({ status: 200 });
  });

  it.each([
    ["written", "UpdateItem", "table.write"],
    ["read", "GetItem", "table.read"],
  ])("health says so when the table cannot be %s", async (verb, operation, part) => {
    const repair = failTable(operation);
    const answer = await operate("GET", "/v1/health");
    repair();
    expect(answer).toMatchObject({ status: 503, body: { code: "table-unreachable", part } });
    expect(answer.body.detail).toContain(verb);
    expect(await operate("GET", "/v1/health")).toMatchObject({ status: 200 });
  });
});

describe("a record that cannot be read", () => {
  it("is answered 500 `internal`, without what only the log may have", async () => {
    const key = keys.vm(vmId("vm-1"));
    await cloud.update(key, "state", "upside-down");
    const { status, body } = await operate("GET", "/v1/vms/vm-1");
    await cloud.update(key, "state", "running");
    expect({ status, body }).toMatchObject({ status: 500, body: { code: "internal" } });
    expect(body.detail).toBe("The request failed; it was logged");
    expect(JSON.stringify(body)).not.toContain("upside-down");
    expect((await operate("GET", "/v1/vms/vm-1")).status).toBe(200);
  });
});

describe("a host's queue or the workflow is out of reach", () => {
  const refusal = new SQSServiceException({
    name: "ServiceUnavailable",
    $fault: "server",
    $metadata: {},
  });
  const gated = { switchover: { mode: "gated" as const } };

  it("a dry run answers 503 `host-unreachable`", async () => {
    const failing = vi.spyOn(queues(), "send").mockRejectedValue(refusal as never);
    const body = { vm: "vm-1", target: "host-b" };
    const answer = await operate("POST", "/v1/migrations?dryRun=true", body);
    failing.mockRestore();
    expect(answer).toMatchObject({ status: 503, body: { code: "host-unreachable" } });
  });

  it("a new host answers 503 `host-unreachable`, and nothing is written", async () => {
    const failing = vi.spyOn(queues(), "send").mockRejectedValue(refusal as never);
    const answer = await operate("POST", "/v1/hosts", { id: "host-z" });
    failing.mockRestore();
    expect(answer).toMatchObject({ status: 503, body: { code: "host-unreachable" } });
    expect(await operate("GET", "/v1/hosts/host-z")).toMatchObject({ status: 404 });
  });

  it("a cancel answers 503 `workflow-unavailable`, and works when it is repeated", async () => {
    const { id } = await addMigration("vm-1", "host-b", gated);
    // The SDK itself tries three times.
    cloud.stub.refused.invokes = 3;
    const path = `/v1/migrations/${id}/cancel`;
    expect(await operate("POST", path)).toMatchObject({
      status: 503,
      body: { code: "workflow-unavailable" },
    });
    cloud.stub.refused.invokes = 0;
    expect(await operate("POST", path)).toMatchObject({ status: 202 });
  });
});

describe("F9: a command that a broken poll has swallowed", () => {
  it("is delivered again before the shortest expiry of all commands", () => {
    const shortest = Math.min(
      expirySecondsOf("migration.observe"),
      expirySecondsOf("source.start"),
    );
    expect(2 * VISIBILITY_SECONDS).toBeLessThan(shortest);
  });
});
