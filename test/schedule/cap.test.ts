import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Scope } from "../../functions/api/access.ts";
import { config } from "../../functions/runtime/config.ts";
import { askAs, withScope } from "../functions/testing/person.ts";
import { EvacuationHarness } from "../workflow/testing/evacuation-harness.ts";
import { Nights, planFor } from "./testing/nights.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let harness: EvacuationHarness;
let nights: Nights;
beforeAll(async () => {
  harness = await EvacuationHarness.start();
  nights = new Nights(harness);
});
afterAll(() => harness?.close());

/** People have tokens of a provider: for this request there is no token of the operators. */
async function ask(scope: Scope, method: string, path: string, body: object) {
  const deployed = config();
  const { operatorTokenSha256 } = deployed;
  deployed.operatorTokenSha256 = undefined;
  try {
    return await askAs(withScope(scope), method, path, body);
  } finally {
    deployed.operatorTokenSha256 = operatorTokenSha256;
  }
}

const nightly = (hosts: (string | undefined)[]) => ({
  name: "nightly",
  starts: { cron: "0 22 * * *", zone: "UTC" },
  durationMs: 3_600_000,
  hosts: { ids: hosts },
  options: planFor(10),
});

it("a schedule that empties over a quarter of the hosts is not made or changed without admin", async () => {
  const { a, b, c } = await nights.fleet({ a: 1, b: 1, c: 1, d: 0 }, 10);
  const refusal = { status: 403, body: { code: "blast-radius", hosts: [a, b, c] } };
  const three = nightly([a, b, c]);
  expect(await ask("evacuate", "POST", "/v1/schedules", three)).toMatchObject(refusal);
  expect(await ask("evacuate", "POST", "/v1/schedules?dryRun=true", three)).toMatchObject(refusal);
  const { status, body } = await ask("admin", "POST", "/v1/schedules", three);
  expect(status).toBe(201);
  const path = `/v1/schedules/${body.id}`;
  const longer = { durationMs: 7_200_000 };
  expect(await ask("evacuate", "PATCH", path, longer)).toMatchObject(refusal);
  expect(await ask("evacuate", "PATCH", path, { name: "other" })).toMatchObject({ status: 200 });
  expect(await ask("admin", "PATCH", path, longer)).toMatchObject({ status: 200 });
});

it("a window of somebody without admin does not open where it would empty more by then", async () => {
  const { a, c, d } = await nights.fleet({ a: 1, b: 0, c: 0, d: 0 }, 10);
  const { status, body } = await ask("evacuate", "POST", "/v1/schedules", nightly([a]));
  expect(status).toBe(201);
  const path = `/v1/schedules/${body.id}`;
  for (const host of [c, d]) await ask("admin", "POST", `/v1/hosts/${host}/maintenance`, {});
  const refused = await ask("admin", "POST", `${path}/run`, {});
  expect(refused.body.runs).toMatchObject([
    { outcome: "refused", reason: expect.stringContaining("does not have the scope admin") },
  ]);
  // Whoever has it takes the cap away by a change.
  expect(await ask("admin", "PATCH", path, { durationMs: 7_200_000 })).toMatchObject({
    status: 200,
  });
  await harness.runTo(harness.clock.now() + 1_000);
  const ran = await ask("admin", "POST", `${path}/run`, {});
  expect(ran.body.runs).toMatchObject([{ outcome: "started" }, { outcome: "refused" }]);
});
