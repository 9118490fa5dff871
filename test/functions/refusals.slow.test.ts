import { afterAll, beforeAll, expect, it } from "vitest";
import { FLEET_HOSTS_MAX } from "../../core/plan/snapshot.ts";
import { keys } from "../../functions/store/keys.ts";
import { putItems } from "../../functions/store/table.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { hostId } from "./testing/fixtures.ts";
import { addHost, operate } from "./testing/fleet.ts";

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud?.close());

it("a fleet of more hosts than one plan takes is refused, with the bound and what to do", async () => {
  await addHost("host-a");
  const plan = () => operate("POST", "/v1/evacuations?dryRun=true", { hosts: ["host-a"] });
  expect((await plan()).status).toBe(200);
  const others = Array.from({ length: FLEET_HOSTS_MAX }, (_, index) => {
    const id = `host-${index}`;
    return { ...keys.host(hostId(id)), id, gsi1pk: "HOSTS", gsi1sk: id };
  });
  await putItems(others);
  const { status, body } = await plan();
  expect({ status, body }).toMatchObject({ status: 409, body: { code: "fleet-too-large" } });
  expect(body.detail).toBe(
    `The fleet has more than ${FLEET_HOSTS_MAX} hosts: use several control planes`,
  );
});
