import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HostId } from "../../core/id.ts";
import { app } from "../../functions/api/app.ts";
import { recordHeartbeat } from "../../functions/store/hosts.ts";
import { OPERATOR_TOKEN, startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { smallDefinition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate } from "./testing/fleet.ts";

let cloud: TestCloud;
let id: string;

beforeAll(async () => {
  cloud = await startTestCloud();
  const source = await addHost("host-a");
  await addHost("host-b");
  await addVm("web1", source, smallDefinition);
  await addVm("web2", source, smallDefinition);
  ({ id } = await addMigration("web1", "host-b"));
});
afterAll(() => cloud.close());

const ask = (headers: Record<string, string> = {}) =>
  app.request("/v1/fleet", {
    headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, ...headers },
  });

describe("the snapshot of the fleet", () => {
  it("has hosts with their usage and VMs, and running migrations without long parts", async () => {
    const { status, body } = await operate("GET", "/v1/fleet");
    expect(status).toBe(200);
    expect(body.truncated).toBe(false);
    expect(body.hosts).toMatchObject([
      { id: "host-a", vms: 2, usage: { outgoing: 1, incoming: 0 } },
      { id: "host-b", vms: 0, usage: { outgoing: 0, incoming: 1 } },
    ]);
    expect(body.migrations).toMatchObject([{ id, vm: "web1", status: "running" }]);
  });

  it("is answered 304 until something changes", async () => {
    const first = await ask();
    const tag = first.headers.get("etag") ?? "";
    expect(tag).toMatch(/^W\/".+"$/);
    const again = await ask({ "if-none-match": tag });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expect(
      await recordHeartbeat(HostId.parse("host-a"), { requestSeq: 1_000_000, clockOffsetMs: 9 }),
    ).toBe(true);
    expect((await ask({ "if-none-match": tag })).status).toBe(304);
    await addHost("host-c");
    expect((await ask({ "if-none-match": tag })).status).toBe(200);
  });
});
