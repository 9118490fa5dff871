import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { app } from "../../functions/api/app.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition, GiB } from "./testing/fixtures.ts";
import { addHost, addVm, answerOf, operate } from "./testing/fleet.ts";

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
  const source = await addHost("host-a");
  await addHost("host-b");
  await operate("POST", "/v1/hosts", { id: "host-joining" });
  await addVm("vm-1", source);
});

afterAll(() => cloud.close());

const move = { vm: "vm-1", target: "host-b" };
const vm = { id: "vm-2", host: "host-a", definition: { memoryBytes: GiB } };
const missing = "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX";

type Refused = [
  title: string,
  request: [method: string, path: string, body?: unknown, headers?: Record<string, string>],
  status: number,
  code: string,
  field?: string,
];

const refused: Refused[] = [
  ["an unknown path", ["GET", "/v1/nothing"], 404, "route-not-found"],
  ["an unknown method", ["PUT", "/v1/hosts"], 405, "method-not-allowed"],
  ["an unknown method of a host", ["DELETE", "/v1/hosts/host-a"], 405, "method-not-allowed"],
  ["a path without its id", ["GET", "/v1/hosts/"], 404, "route-not-found"],
  ["bad JSON", ["POST", "/v1/migrations", "{vm:"], 400, "malformed-json"],
  [
    "text that is not JSON",
    ["POST", "/v1/migrations", "x", { "content-type": "text/plain" }],
    415,
    "not-json",
  ],
  [
    "a change that is not JSON",
    ["PATCH", `/v1/migrations/${missing}`, "x", { "content-type": "text/plain" }],
    415,
    "not-json",
  ],
  [
    "a medium that is not JSON",
    ["PUT", "/v1/vms/vm-9/devices/cd/medium", "x", { "content-type": "text/plain" }],
    415,
    "not-json",
  ],
  ["no body", ["POST", "/v1/migrations"], 422, "invalid", "vm"],
  [
    "a change without a content type",
    ["PATCH", `/v1/migrations/${missing}`, "{}", { "content-type": "" }],
    415,
    "not-json",
  ],
  ["a body of 10 MB", ["POST", "/v1/vms", `"${"x".repeat(1e7)}"`], 413, "body-too-large"],
  ["an array for a body", ["POST", "/v1/migrations", []], 422, "invalid", "body"],
  ["null for a body", ["POST", "/v1/migrations", "null"], 422, "invalid", "body"],

  [
    "a VM that does not exist",
    ["POST", "/v1/migrations", { ...move, vm: "vm-9" }],
    404,
    "vm-not-found",
  ],
  [
    "a target that does not exist",
    ["POST", "/v1/migrations", { ...move, target: "host-z" }],
    404,
    "host-not-found",
  ],
  [
    "the VM's own host",
    ["POST", "/v1/migrations", { ...move, target: "host-a" }],
    422,
    "source-is-target",
    "target",
  ],
  [
    "a target whose agent has not registered",
    ["POST", "/v1/migrations", { ...move, target: "host-joining" }],
    409,
    "host-not-active",
  ],
  ["no VM", ["POST", "/v1/migrations", { target: "host-b" }], 422, "invalid", "vm"],
  ["a number for a VM", ["POST", "/v1/migrations", { ...move, vm: 7 }], 422, "invalid", "vm"],
  [
    "a VM's name in capitals",
    ["POST", "/v1/migrations", { ...move, vm: "VM-1" }],
    422,
    "invalid",
    "vm",
  ],
  [
    "a VM's name that is a key",
    ["POST", "/v1/migrations", { ...move, vm: "vm#1" }],
    422,
    "invalid",
    "vm",
  ],
  [
    "an unknown field",
    ["POST", "/v1/migrations", { ...move, force: true }],
    422,
    "invalid",
    "force",
  ],
  [
    "null for a policy",
    ["POST", "/v1/migrations", { ...move, policy: null }],
    422,
    "invalid",
    "policy",
  ],
  [
    "an unknown field of the policy",
    ["POST", "/v1/migrations", { ...move, policy: { speed: 1 } }],
    422,
    "invalid",
    "policy.speed",
  ],
  [
    "a downtime of 0",
    ["POST", "/v1/migrations", { ...move, policy: { downtimeLimitMs: 0 } }],
    422,
    "invalid",
    "policy.downtimeLimitMs",
  ],
  [
    "half a millisecond",
    ["POST", "/v1/migrations", { ...move, policy: { downtimeLimitMs: 0.5 } }],
    422,
    "invalid",
    "policy.downtimeLimitMs",
  ],
  [
    "a downtime as text",
    ["POST", "/v1/migrations", { ...move, policy: { downtimeLimitMs: "300" } }],
    422,
    "invalid",
    "policy.downtimeLimitMs",
  ],
  [
    "a capability switched by a boolean",
    ["POST", "/v1/migrations", { ...move, policy: { capabilities: { multifd: true } } }],
    422,
    "invalid",
    "policy.capabilities.multifd",
  ],
  [
    "a parameter that is a list",
    ["POST", "/v1/migrations", { ...move, policy: { parameters: { "max-bandwidth": [1] } } }],
    422,
    "invalid",
    "policy.parameters.max-bandwidth",
  ],
  [
    "a parameter that loses digits",
    ["POST", "/v1/migrations", { ...move, policy: { parameters: { "max-bandwidth": 1e18 } } }],
    422,
    "invalid",
    "policy.parameters.max-bandwidth",
  ],
  [
    "a flag that is a number",
    ["POST", "/v1/migrations", { ...move, policy: { flags: ["LIVE", 3] } }],
    422,
    "invalid",
    "policy.flags[1]",
  ],
  [
    "an ACK deadline of 1 ms",
    ["POST", "/v1/migrations", { ...move, policy: { ack: { deadlineMs: 1 } } }],
    422,
    "invalid",
    "policy.ack.deadlineMs",
  ],
  [
    "an empty idempotency key",
    ["POST", "/v1/migrations", move, { "idempotency-key": "" }],
    422,
    "invalid",
    "idempotency-key",
  ],
  [
    "an idempotency key that is too long",
    ["POST", "/v1/migrations", move, { "idempotency-key": "k".repeat(256) }],
    422,
    "invalid",
    "idempotency-key",
  ],
  [
    "a dry run that is neither true nor false",
    ["POST", "/v1/migrations?dryRun=yes", move],
    422,
    "invalid",
    "dryRun",
  ],
  [
    "a dry run of an unknown VM",
    ["POST", "/v1/migrations?dryRun=true", { ...move, vm: "vm-9" }],
    404,
    "vm-not-found",
  ],
  ["an unknown query", ["POST", "/v1/migrations?dry=true", move], 422, "invalid", "dry"],

  ["a malformed migration id", ["GET", "/v1/migrations/1"], 422, "invalid", "id"],
  [
    "a migration that does not exist",
    ["GET", `/v1/migrations/${missing}`],
    404,
    "migration-not-found",
  ],
  ["its timeline", ["GET", `/v1/migrations/${missing}/timeline`], 404, "migration-not-found"],
  ["its samples", ["GET", `/v1/migrations/${missing}/samples`], 404, "migration-not-found"],
  ["its cancellation", ["POST", `/v1/migrations/${missing}/cancel`], 404, "migration-not-found"],
  [
    "a malformed cursor",
    ["GET", `/v1/migrations/${missing}/samples?after=EVENT`],
    422,
    "invalid",
    "after",
  ],
  ["a page of no entries", ["GET", "/v1/migrations?limit=0"], 422, "invalid", "limit"],
  ["a page that is too long", ["GET", "/v1/hosts?limit=101"], 422, "invalid", "limit"],
  ["an unknown status", ["GET", "/v1/migrations?status=done"], 422, "invalid", "status"],
  ["statuses in a wrong form", ["GET", "/v1/migrations?status=failed,"], 422, "invalid", "status"],

  ["a host that exists", ["POST", "/v1/hosts", { id: "host-a" }], 409, "host-exists"],
  ["a host's name with a dot", ["POST", "/v1/hosts", { id: "host.a" }], 422, "invalid", "id"],
  ["no slots", ["POST", "/v1/hosts", { id: "host-c", slotsIn: 0 }], 422, "invalid", "slotsIn"],
  [
    "a key in the request",
    ["POST", "/v1/hosts", { id: "host-c", key: "k" }],
    422,
    "invalid",
    "key",
  ],
  ["a host that does not exist", ["GET", "/v1/hosts/host-z"], 404, "host-not-found"],

  ["a VM that exists", ["POST", "/v1/vms", { ...vm, id: "vm-1" }], 409, "vm-exists"],
  [
    "a VM on an unknown host",
    ["POST", "/v1/vms", { ...vm, host: "host-z" }],
    404,
    "host-not-found",
  ],
  [
    "a VM on a host whose agent has not registered",
    ["POST", "/v1/vms", { ...vm, host: "host-joining" }],
    409,
    "host-not-active",
  ],
  [
    "a VM that does not fit",
    ["POST", "/v1/vms", { ...vm, definition: { memoryBytes: 9 * GiB } }],
    409,
    "host-full",
  ],
  [
    "memory of half a MiB",
    ["POST", "/v1/vms", { ...vm, definition: { memoryBytes: GiB + 1 } }],
    422,
    "invalid",
    "definition.memoryBytes",
  ],
  [
    "a device without a driver",
    ["POST", "/v1/vms", { ...vm, definition: { ...definition, devices: [{ id: "d" }] } }],
    422,
    "invalid",
    "definition.devices[0]",
  ],
  [
    "a device's property that loses digits",
    [
      "POST",
      "/v1/vms",
      { ...vm, definition: { ...definition, devices: [{ driver: "d", addr: 2 ** 60 }] } },
    ],
    422,
    "invalid",
    "definition.devices[0].addr",
  ],
  [
    "a device that is too deep",
    [
      "POST",
      "/v1/vms",
      { ...vm, definition: { ...definition, devices: [{ driver: "d", x: deep(40) }] } },
    ],
    422,
    "invalid",
  ],
  [
    "a relative socket",
    ["POST", "/v1/vms", { ...vm, adopt: { qmpPath: "qmp.sock" } }],
    422,
    "invalid",
    "adopt.qmpPath",
  ],
  ["an unknown way to stop", ["DELETE", "/v1/vms/vm-1?mode=kill"], 422, "invalid", "mode"],
  ["a stop of an unknown VM", ["DELETE", "/v1/vms/vm-9"], 404, "vm-not-found"],
];

describe("what the API refuses", () => {
  it.each(refused)("%s", async (_, [method, path, body, headers], status, code, field) => {
    const before = await cloud.scan();
    const executions = cloud.stub.executions.size;
    const answer = await operate(method, path, body, headers);
    expect(answer).toMatchObject({ status, body: { status, code, type: expect.any(String) } });
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    if (field !== undefined) {
      expect(answer.body.errors).toContainEqual(
        expect.objectContaining({ field, rule: expect.any(String), received: expect.any(String) }),
      );
    }
    expect(await cloud.scan()).toEqual(before);
    expect(cloud.stub.executions.size).toBe(executions);
  });

  it("names the methods that a path has", async () => {
    const { headers, body } = await operate("PUT", "/v1/hosts");
    expect(headers.get("allow")).toBe("GET, HEAD, POST");
    expect(body.detail).toBe("/v1/hosts has GET, HEAD, POST, not PUT");
  });

  it("names the value that was given, and what was expected", async () => {
    const { body } = await operate("POST", "/v1/migrations", { vm: 7, target: ["host-b"] });
    expect(body.errors).toMatchObject([
      { field: "vm", expected: "string", received: "7" },
      { field: "target", expected: "string", received: "array of 1" },
    ]);
    expect(body.detail).toContain("`vm`");
  });
});

describe("the operator's token", () => {
  it.each([
    ["missing", undefined],
    ["wrong", "Bearer operator-token-of-this-tesT"],
    ["of another scheme", "Basic operator-token-of-this-test"],
    ["empty", "Bearer "],
    ["too long", `Bearer ${"t".repeat(10_000)}`],
  ])("%s is refused for every path", async (_, authorization) => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    for (const path of ["/v1/hosts", "/v1/vms", "/v1/migrations", "/v1/nothing"]) {
      const answer = await answerOf(await app.request(path, { headers }));
      expect(answer).toMatchObject({ status: 401, body: { code: "unauthorized" } });
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  it("is not needed for health and the OpenAPI document", async () => {
    expect(await answerOf(await app.request("/v1/health"))).toMatchObject({
      status: 200,
      body: { status: "ok" },
    });
    const { status, body } = await answerOf(await app.request("/v1/openapi.json"));
    expect(status).toBe(200);
    expect(Object.keys(body.paths as object)).toEqual(
      expect.arrayContaining(["/v1/hosts", "/v1/vms", "/v1/migrations", "/v1/health"]),
    );
  });
});

function deep(levels: number): unknown {
  return levels === 0 ? 1 : { x: deep(levels - 1) };
}
