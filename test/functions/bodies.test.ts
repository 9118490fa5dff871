import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DefinitionParts } from "../../core/definition/parts.ts";
import { HOSTS_MAX } from "../../core/evacuation/request.ts";
import { CORDONS_MAX } from "../../core/host/cordon.ts";
import {
  AGENT_BODY_BYTES_MAX,
  DEFINITION_BYTES_MAX,
  DEFINITION_PART_BYTES_MAX,
  jsonBytes,
  OPERATOR_BODY_BYTES_MAX,
} from "../../core/size-limits.ts";
import { ITEM_BYTES_MAX } from "../../emulators/aws/dynamodb/item-bytes.ts";
import { keys } from "../../functions/store/keys.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition, facts, hostId, vmId } from "./testing/fixtures.ts";
import { addHost, operate, type TestAgent } from "./testing/fleet.ts";
import { storedBytes } from "./testing/stored-bytes.ts";

let cloud: TestCloud;
let agent: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  agent = await addHost("host-a");
});

afterAll(() => cloud.close());

const device = (property: unknown) => ({ driver: "d", p: property });
const create = (devices: unknown[]) =>
  operate("POST", "/v1/vms", { id: "vm", host: "host-a", definition: { ...definition, devices } });
/** Devices that fill a definition to about this many bytes. */
const filled = (bytes: number) =>
  Array.from({ length: 200 }, () => device("x".repeat(Math.ceil(bytes / 200))));
const nested = (levels: number) => `${'{"x":'.repeat(levels)}1${"}".repeat(levels)}`;

describe("a body that cannot be stored or carried out is refused, and nothing is written", () => {
  it.each([
    ["a definition of 390 KiB", filled(390 * 1024), 413, "body-too-large", undefined],
    ["a definition of 200 KiB", filled(200 * 1024), 422, "invalid", "definition"],
    [
      "a property of 140,000 characters",
      [device("x".repeat(140_000))],
      422,
      "invalid",
      "definition.devices[0]",
    ],
    ["the property 1e-320", [device(1e-320)], 422, "invalid", "definition.devices[0].p"],
    ["the property -1e-131", [device(-1e-131)], 422, "invalid", "definition.devices[0].p"],
    ["half of a surrogate pair", [device("\ud800")], 422, "invalid", "definition.devices[0].p"],
  ])("%s", async (_, devices, status, code, field) => {
    const before = await cloud.scan();
    const { body, ...answer } = await create(devices);
    expect({ status: answer.status, code: body.code }).toEqual({ status, code });
    if (field !== undefined) expect(body.errors).toMatchObject([{ field }]);
    expect(await cloud.scan()).toEqual(before);
  });

  it.each([5_000, 30_000])("JSON %s levels deep, with the field", async (levels) => {
    const text = `{"id":"vm","host":"host-a","definition":${nested(levels)}}`;
    const { status, body } = await operate("POST", "/v1/vms", text);
    expect({ status, code: body.code }).toEqual({ status: 422, code: "invalid" });
    expect(JSON.stringify(body.errors)).toContain("definition.x.x.x");
  });
});

/** The same JSON, so many bytes long. */
const padded = (body: object, bytes: number) => JSON.stringify(body).padEnd(bytes, " ");
/** A definition whose JSON has so many bytes. */
function definitionOf(bytes: number): DefinitionParts {
  const parts = Math.ceil(bytes / (DEFINITION_PART_BYTES_MAX - 1_024));
  const made = (pads: number[]) =>
    DefinitionParts.parse({ ...definition, devices: pads.map((pad) => device("x".repeat(pad))) });
  const share = Math.floor(bytes / parts) - 1_000;
  const rest = Array<number>(parts - 1).fill(share);
  const missing = bytes - jsonBytes(made([share, ...rest]));
  return made([share + missing, ...rest]);
}

describe("at its limit", () => {
  it.each([
    [OPERATOR_BODY_BYTES_MAX, 202],
    [OPERATOR_BODY_BYTES_MAX + 1, 413],
  ])("a body of %s bytes is answered %s", async (bytes, expected) => {
    const body = padded({ id: `body-${expected}`, host: "host-a", definition }, bytes);
    expect(await operate("POST", "/v1/vms", body)).toMatchObject({ status: expected });
  });

  it.each([
    [AGENT_BODY_BYTES_MAX, 200],
    [AGENT_BODY_BYTES_MAX + 1, 413],
  ])("an agent's body of %s bytes is answered %s", async (bytes, expected) => {
    const body = padded({ version: 1, host: agent.host, events: [] }, bytes);
    expect(await agent.send("events", body)).toMatchObject({ status: expected });
  });

  it.each([
    [DEFINITION_BYTES_MAX, 202],
    [DEFINITION_BYTES_MAX + 1, 422],
  ])("a definition of %s bytes is answered %s", async (bytes, expected) => {
    const made = definitionOf(bytes);
    expect(jsonBytes(made)).toBe(bytes);
    const body = { id: `definition-${expected}`, host: "host-a", definition: made };
    expect(await operate("POST", "/v1/vms", body)).toMatchObject({ status: expected });
  });

  it.each([
    [HOSTS_MAX, 404, "host-not-found"],
    [HOSTS_MAX + 1, 422, "invalid"],
  ])("an evacuation of %s hosts is answered %s", async (count, status, code) => {
    const hosts = Array.from({ length: count }, (_, place) => `${place}`.padEnd(63, "h"));
    expect(await operate("POST", "/v1/evacuations", { hosts })).toMatchObject({
      status,
      body: { code },
    });
  });
});

/** The longest of what may be said of a host or a VM: 64 labels, of characters with three bytes. */
const labels = (value: string) =>
  Object.fromEntries(
    Array.from({ length: 64 }, (_, place) => [`${place}`.padEnd(63, "l"), value.repeat(253)]),
  );
const affinities = Array.from({ length: 8 }, (_, place) => ({
  group: `${place}`.padEnd(63, "g"),
  rule: "apart",
}));

describe("the limits fit each other", () => {
  it("the JSON that grows most as an item, with the most rules, stays below 400 KB", async () => {
    const bytes = DEFINITION_PART_BYTES_MAX - 100;
    const digits = Array.from({ length: bytes / 2 }, () => 1);
    const rest = "x".repeat(DEFINITION_BYTES_MAX - 2 * DEFINITION_PART_BYTES_MAX - 1_000);
    expect(await create([digits, digits, rest].map(device))).toMatchObject({ status: 202 });
    for (const rule of ["labels", "requiredLabels", "preferredLabels"]) {
      const change = { [rule]: labels("\u20ac") };
      expect(await operate("PATCH", "/v1/vms/vm", change)).toMatchObject({ status: 200 });
    }
    const more = { tenant: "t".repeat(63), affinities };
    expect(await operate("PATCH", "/v1/vms/vm", more)).toMatchObject({ status: 200 });
    const stored = await storedBytes(keys.vm(vmId("vm")));
    expect(stored).toBeGreaterThan(DEFINITION_BYTES_MAX + 3 * 64 * 253 * 3);
    // What hosts report of it is far less than the rest.
    expect(stored).toBeLessThan(ITEM_BYTES_MAX - 32 * 1024);
    expect(DEFINITION_BYTES_MAX).toBeLessThan(OPERATOR_BODY_BYTES_MAX);
  });

  it("cordons and labels of a host leave half of its record to what its guests take", async () => {
    const change = { labels: labels("\u20ac") };
    expect(await operate("PATCH", "/v1/hosts/host-a", change)).toMatchObject({ status: 200 });
    for (let place = 0; place < CORDONS_MAX; place += 1) {
      const by = { owner: `${place}`.padEnd(63, "\u20ac"), message: "\u20ac".repeat(500) };
      expect((await operate("POST", "/v1/hosts/host-a/cordon", by)).status).toBeLessThan(300);
    }
    expect(await storedBytes(keys.host(hostId("host-a")))).toBeLessThan(ITEM_BYTES_MAX / 2);
  });
});

describe("what is kept in one record is refused before it is more than 400 KB: 422", () => {
  const refused = { status: 422, body: { code: "record-too-large" } };

  it("webhooks, which can be changed and removed then", async () => {
    const wanted = (value: string) => ({
      url: "https://hooks.example.com/a",
      labels: labels(value),
      message: "\u20ac".repeat(500),
    });
    const made: string[] = [];
    let answer = await operate("POST", "/v1/webhooks", wanted("\u20ac"));
    while (answer.status === 201) {
      made.push((answer.body.webhook as { id: string }).id);
      answer = await operate("POST", "/v1/webhooks", wanted("\u20ac"));
    }
    expect(answer).toMatchObject(refused);
    expect(answer.body.detail).toContain("remove a webhook");
    expect((await operate("GET", "/v1/webhooks")).body.items).toHaveLength(made.length);
    const [first = ""] = made;
    const path = `/v1/webhooks/${first}`;
    const paused = await operate("PATCH", path, { status: "paused" });
    expect(paused).toMatchObject({ status: 200, body: { status: "paused" } });
    expect((await operate("DELETE", path)).status).toBeLessThan(300);
    expect(await operate("POST", "/v1/webhooks", wanted("\u20ac"))).toMatchObject({ status: 201 });
  });

  it("change freezes", async () => {
    const freeze = {
      from: "2900-03-01T00:00",
      until: "2900-03-02T00:00",
      zone: "UTC",
      owner: "\u20ac".repeat(200),
      message: "\u20ac".repeat(1_000),
    };
    let answer = await operate("POST", "/v1/change-freezes", freeze);
    while (answer.status === 201) answer = await operate("POST", "/v1/change-freezes", freeze);
    expect(answer).toMatchObject(refused);
    expect(answer.body.detail).toContain("nothing was changed");
  });

  it("the facts of a host", async () => {
    const before = await cloud.scan();
    const agentVersion = "x".repeat(600_000);
    const { status, body } = await agent.send("register", {
      host: agent.host,
      facts: { ...facts, agentVersion },
    });
    expect({ status, body }).toMatchObject(refused);
    expect(await cloud.scan()).toEqual(before);
  });
});
