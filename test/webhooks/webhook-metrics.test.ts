import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { app } from "../../functions/api/app.ts";
import { SETTLE_MS } from "../../functions/store/fleet-events.ts";
import { handler as deliverWebhooks } from "../../functions/task/deliver-webhooks.ts";
import { OPERATOR_TOKEN, startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import { operate } from "../functions/testing/fleet.ts";
import { accept, Receiver, refuse } from "./testing/receiver.ts";

const HOUR_MS = 3_600_000;
const receiver = new Receiver();
let cloud: TestCloud;

beforeAll(async () => {
  process.env.WEBHOOK_RECEIVERS = "loopback";
  cloud = await startTestCloud();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
});
afterAll(async () => {
  vi.useRealTimers();
  receiver.close();
  await cloud.close();
});

async function deliverAfter(ms: number): Promise<void> {
  vi.setSystemTime(Date.now() + ms);
  await deliverWebhooks({ workMs: 4_000 });
}

async function scrape(): Promise<Record<string, number>> {
  const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
  const text = await (await app.request("/metrics", { headers })).text();
  const lines = text.split("\n").filter((line) => line.startsWith("switchyard_webhook"));
  return Object.fromEntries(
    lines.map((line) => {
      const [name = "", value] = line.replaceAll("switchyard_webhook", "").split(" ");
      return [name, Number(value)];
    }),
  );
}

const UNTIL = "_delivered_until_timestamp_seconds";

it("metrics count tries by their outcome, and show webhooks and the oldest waiting event", async () => {
  expect(await scrape()).toEqual({});
  const url = await receiver.listen();
  const { body } = await operate("POST", "/v1/webhooks", { url, types: ["webhook"] });
  const { id } = body.webhook as { id: string };
  const testedAtMs = Date.now();
  await operate("POST", `/v1/webhooks/${id}/test`);
  receiver.answer = refuse(500);
  await deliverAfter(SETTLE_MS + 1);
  await deliverAfter(HOUR_MS);
  const failing = await scrape();
  expect(failing).toMatchObject({
    's{status="enabled"}': 1,
    '_deliveries_total{outcome="failed"}': 2,
  });
  expect(failing[UNTIL]).toBe(testedAtMs / 1000);
  receiver.answer = accept;
  await deliverAfter(HOUR_MS);
  const delivered = await scrape();
  expect(delivered).toMatchObject({
    '_deliveries_total{outcome="delivered"}': 1,
    '_delivery_delay_seconds_bucket{le="7200"}': 0,
    '_delivery_delay_seconds_bucket{le="43200"}': 1,
    _delivery_delay_seconds_count: 1,
  });
  expect(delivered[UNTIL]).toBeGreaterThan((Date.now() - HOUR_MS) / 1000);
  receiver.answer = refuse(410);
  await operate("POST", `/v1/webhooks/${id}/test`);
  await deliverAfter(SETTLE_MS + 1);
  const disabled = await scrape();
  expect(disabled).toMatchObject({
    's{status="disabled"}': 1,
    '_deliveries_total{outcome="given-up"}': 1,
  });
  expect(disabled).not.toHaveProperty(UNTIL);
});
