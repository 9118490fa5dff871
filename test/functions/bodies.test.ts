import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  DEFINITION_BYTES_MAX,
  DEFINITION_PART_BYTES_MAX,
  OPERATOR_BODY_BYTES_MAX,
} from "../../core/size-limits.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition } from "./testing/fixtures.ts";
import { addHost, operate } from "./testing/fleet.ts";

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
  await addHost("host-a");
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

describe("the limits fit each other", () => {
  it("the JSON that grows most as an item stays below DynamoDB's 400 KB", async () => {
    const bytes = DEFINITION_PART_BYTES_MAX - 100;
    const digits = Array.from({ length: bytes / 2 }, () => 1);
    const devices = [device(digits), device(digits)];
    expect(await create(devices)).toMatchObject({ status: 202 });
    // Two bytes in JSON, three as an item's element.
    expect((OPERATOR_BODY_BYTES_MAX * 3) / 2 + 16_000).toBeLessThan(409_600);
    expect(DEFINITION_BYTES_MAX).toBeLessThan(OPERATOR_BODY_BYTES_MAX);
  });
});
