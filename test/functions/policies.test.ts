import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { operate } from "./testing/fleet.ts";

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.close());

const check = (policy: object) => operate("POST", "/v1/policies/check", policy);

describe("a policy that is checked", () => {
  it("is shown with its defaults, and nothing is stored", async () => {
    const before = await cloud.scan();
    expect(await check({ tls: "psk", ack: { onTimeout: "hold" } })).toMatchObject({
      status: 200,
      body: { policy: MigrationPolicy.parse({ tls: "psk", ack: { onTimeout: "hold" } }) },
    });
    expect((await check({})).body.policy).toEqual(MigrationPolicy.parse({}));
    expect(await cloud.scan()).toEqual(before);
    expect(await cloud.scanAudit()).toEqual([]);
  });

  it.each([
    ["a field that there is not", { budget: 3 }, "budget"],
    ["a value out of range", { downtimeBudgetMs: 0 }, "downtimeBudgetMs"],
    [
      "a capability that no QEMU has",
      { capabilities: { warp: "require" } },
      "policy.capabilities.warp",
    ],
    [
      "two values of one limit",
      { downtimeLimitMs: 200, parameters: { "downtime-limit": 300 } },
      "policy.downtimeLimitMs",
    ],
  ])("with %s is refused, and the field is named", async (_, policy, field) => {
    const { status, body } = await check(policy);
    expect({ status, code: body.code }).toEqual({ status: 422, code: "invalid" });
    expect(JSON.stringify(body.errors)).toContain(field);
  });
});
