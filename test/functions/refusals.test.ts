import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CORDONS_MAX } from "../../core/host/cordon.ts";
import { ChangeFreezeId, ulid } from "../../core/id.ts";
import { ChangeFreeze, FREEZES_MAX } from "../../core/schedule/change-freeze.ts";
import { WEBHOOKS_MAX } from "../../core/webhook/webhook.ts";
import { writeCalendar } from "../../functions/store/change-freezes.ts";
import { PLAN_CHARACTERS_MAX } from "../../functions/store/evacuation-plans.ts";
import { keys } from "../../functions/store/keys.ts";
import { getItem, putItems } from "../../functions/store/table.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition, hostId, smallDefinition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";

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
const receiver = { url: "https://hooks.example.com/a" };

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

describe("what is not part of something is named in a 404", () => {
  it("a VM of an evacuation", async () => {
    const source = await addHost("emptied");
    await addVm("part", source, smallDefinition);
    const { body: planned } = await operate("POST", "/v1/evacuations", { hosts: ["emptied"] });
    const retry = `/v1/evacuations/${planned.id}/moves/another/retry`;
    const { status, body } = await operate("POST", retry, by);
    expect({ status, body }).toMatchObject({ status: 404, body: { code: "move-not-found" } });
    expect(body.detail).toContain(`VM another is not part of ${planned.id}`);
  });

  it("a delivery of a webhook", async () => {
    const { body: made } = await operate("POST", "/v1/webhooks", receiver);
    const { id } = made.webhook as { id: string };
    const path = `/v1/webhooks/${id}`;
    const redeliver = `${path}/deliveries/evt_${ULID}/redeliver`;
    const { status, body } = await operate("POST", redeliver);
    expect({ status, body }).toMatchObject({ status: 404, body: { code: "delivery-not-found" } });
    expect(body.detail).toContain(`${id} has no delivery of evt_${ULID}`);
    expect((await operate("GET", `${path}/deliveries`)).body.items).toEqual([]);
    await operate("DELETE", path);
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
    const add = () => operate("POST", "/v1/webhooks", receiver);
    for (let one = 1; one <= WEBHOOKS_MAX; one += 1) expect((await add()).status).toBe(201);
    const { status, body } = await add();
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: "too-many-webhooks", detail: expect.stringContaining(`${WEBHOOKS_MAX}`) },
    });
  });

  it("change freezes, of which those that are over do not count", async () => {
    const freezeOf = (year: number) => ({
      from: `${year}-01-01T00:00`,
      until: `${year}-01-02T00:00`,
      zone: "UTC",
      owner: "ada",
    });
    const add = (year: number) => operate("POST", "/v1/change-freezes", freezeOf(year));
    const others = Array.from({ length: FREEZES_MAX - 1 }, (_, index) => {
      const id = ChangeFreezeId.parse(`frz_${ulid(index, randomBytes(10))}`);
      return { id, ...ChangeFreeze.parse(freezeOf(2900)) };
    });
    expect(await writeCalendar({ revision: 0 }, others)).toBe(true);
    expect((await add(2020)).status).toBe(201);
    expect((await add(2900)).status).toBe(201);
    const { status, body } = await add(2900);
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: "too-many-freezes", detail: expect.stringContaining(`${FREEZES_MAX}`) },
    });
  });
});

/** Closes hosts like this one until their cordons' messages have so many characters together. */
async function closeManyHosts(characters: number, { host }: TestAgent): Promise<void> {
  const cordons = Array.from({ length: CORDONS_MAX }, (_, index) => ({
    owner: `owner-${index}`,
    kind: "person",
    message: "x".repeat(500),
    since: new Date().toISOString(),
  }));
  const [record, facts] = await Promise.all([keys.host(host), keys.hostFacts(host)].map(getItem));
  // What so many calls of the API would write.
  const count = Math.ceil(characters / (CORDONS_MAX * 500));
  const closed = Array.from({ length: count }, (_, index) => {
    const id = hostId(`closed-${index}`);
    return [
      { ...record, ...keys.host(id), id, gsi1sk: id, cordons, reservedBytes: 0 },
      { ...facts, ...keys.hostFacts(id) },
    ];
  });
  await putItems(closed.flat());
}

describe("more than one plan takes is refused, with the bound and what to do:", () => {
  it("the reasons of VMs that have no place", async () => {
    const source = await addHost("from-here");
    for (const megabytes of [1, 2, 3, 4]) {
      // Each has memory of its own, so none shares its reasons with another.
      const memoryBytes = megabytes * 2 ** 20;
      const { id } = await addVm(`vm-${megabytes}`, source, { ...definition, memoryBytes });
      await operate("PATCH", `/v1/vms/${id}`, { requiredLabels: { nowhere: "yes" } });
    }
    await closeManyHosts(PLAN_CHARACTERS_MAX / 4, source);
    const hosts = [source.host];
    const { status, body } = await operate("POST", "/v1/evacuations", { hosts });
    expect({ status, body }).toMatchObject({ status: 409, body: { code: "plan-too-long" } });
    expect(body.detail).toContain(`Expected a plan of at most ${PLAN_CHARACTERS_MAX} characters`);
    expect(body.detail).toContain("empty fewer hosts at once");
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
