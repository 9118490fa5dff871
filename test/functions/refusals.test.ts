import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CORDONS_MAX } from "../../core/host/cordon.ts";
import { FREEZES_MAX } from "../../core/schedule/change-freeze.ts";
import { WEBHOOKS_MAX } from "../../core/webhook/webhook.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate } from "./testing/fleet.ts";

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud?.close());

const ULID = "01KA5TZZZZZZZZZZZZZZZZZZZZ";
const evacuation = `/v1/evacuations/evac_${ULID}`;
const schedule = `/v1/schedules/sch_${ULID}`;
const freeze = `/v1/change-freezes/frz_${ULID}`;
const webhook = `/v1/webhooks/whk_${ULID}`;
const by = { by: "ada" };

describe("what does not exist is named in a 404", () => {
  it.each<[method: string, path: string, code: string, body?: object]>([
    ["GET", evacuation, "evacuation-not-found"],
    ["GET", `${evacuation}/plans/1`, "evacuation-not-found"],
    ["GET", `${evacuation}/moves`, "evacuation-not-found"],
    ["POST", `${evacuation}/approve`, "evacuation-not-found", { ...by, version: 1 }],
    ["POST", `${evacuation}/pause`, "evacuation-not-found", by],
    ["POST", `${evacuation}/moves/vm-1/skip`, "evacuation-not-found", by],
    ["GET", schedule, "schedule-not-found"],
    ["DELETE", schedule, "schedule-not-found"],
    ["POST", `${schedule}/pause`, "schedule-not-found", by],
    ["DELETE", freeze, "freeze-not-found"],
    ["GET", webhook, "webhook-not-found"],
    ["DELETE", webhook, "webhook-not-found"],
    ["GET", `${webhook}/deliveries`, "webhook-not-found"],
    ["POST", `${webhook}/rotate-secret`, "webhook-not-found"],
  ])("%s %s: %s", async (method, path, code, given) => {
    const { status, body } = await operate(method, path, given);
    expect({ status, body }).toMatchObject({ status: 404, body: { code } });
  });
});

describe("one more than there may be is refused, with the bound:", () => {
  it("cordons of a host", async () => {
    await addHost("crowded");
    const cordon = (owner: string) => operate("POST", "/v1/hosts/crowded/cordon", { owner });
    for (let one = 1; one <= CORDONS_MAX; one += 1) {
      expect((await cordon(`owner-${one}`)).status).toBe(200);
    }
    const { status, body } = await cordon("another");
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: "too-many-cordons", detail: expect.stringContaining(`${CORDONS_MAX}`) },
    });
    // A cordon that is there already is replaced.
    expect((await cordon("owner-1")).status).toBe(200);
  });

  it("webhooks", async () => {
    const add = () => operate("POST", "/v1/webhooks", { url: "https://hooks.example.com/a" });
    for (let one = 1; one <= WEBHOOKS_MAX; one += 1) expect((await add()).status).toBe(201);
    const { status, body } = await add();
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: "too-many-webhooks", detail: expect.stringContaining(`${WEBHOOKS_MAX}`) },
    });
  });

  it("change freezes, of which those that are over do not count", async () => {
    const add = (year: number) =>
      operate("POST", "/v1/change-freezes", {
        from: `${year}-01-01T00:00`,
        until: `${year}-01-02T00:00`,
        zone: "UTC",
        owner: "ada",
      });
    expect((await add(2020)).status).toBe(201);
    for (let one = 1; one <= FREEZES_MAX; one += 1) expect((await add(2900)).status).toBe(201);
    const { status, body } = await add(2900);
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: "too-many-freezes", detail: expect.stringContaining(`${FREEZES_MAX}`) },
    });
  });
});

describe("what cannot be done now is refused, with what to do:", () => {
  it("to rotate the key of an agent that has none", async () => {
    await operate("POST", "/v1/hosts", { id: "joining" });
    const { status, body } = await operate("POST", "/v1/hosts/joining/rotate-key");
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: "host-without-key", detail: expect.stringContaining("join token") },
    });
  });

  it("to waive the ACK of a migration that does not wait for it", async () => {
    const source = await addHost("from");
    const target = await addHost("to");
    await addVm("guest", source, definition);
    const { id } = await addMigration("guest", target.host);
    const { status, body } = await operate("POST", `/v1/migrations/${id}/waive-ack`);
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: "not-waiting-for-ack", detail: expect.stringContaining("is in admit") },
    });
  });
});
