import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { SETTLE_MS } from "../../functions/store/fleet-events.ts";
import { handler as deliverWebhooks } from "../../functions/task/deliver-webhooks.ts";
import { startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import { operate } from "../functions/testing/fleet.ts";
import { installPython } from "../python-environment.ts";
import { Receiver } from "./testing/receiver.ts";

const TESTING = join(import.meta.dirname, "testing");
const folder = join(import.meta.dirname, "../../.cache/webhook-verifier");
const missing = installPython({
  folder,
  requirements: join(TESTING, "requirements.txt"),
  timeoutMs: 120_000,
});
const unless = missing === undefined ? "" : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`a verifier in Python${unless}`, () => {
  const receiver = new Receiver();
  let cloud: TestCloud;
  let webhook: string;
  let secret: string;

  beforeAll(async () => {
    process.env.WEBHOOK_RECEIVERS = "loopback";
    cloud = await startTestCloud();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const url = await receiver.listen();
    const { body } = await operate("POST", "/v1/webhooks", { url, types: ["webhook"] });
    webhook = (body.webhook as { id: string }).id;
    secret = body.secret as string;
  });
  afterAll(async () => {
    vi.useRealTimers();
    receiver.close();
    await cloud.close();
  });

  /** The newest delivery. */
  async function delivered() {
    await operate("POST", `/v1/webhooks/${webhook}/test`);
    vi.setSystemTime(Date.now() + SETTLE_MS + 1);
    await deliverWebhooks({ workMs: 4_000 });
    const { headers = {}, body = "" } = receiver.received.at(-1) ?? {};
    return { headers: headers as Record<string, string>, body };
  }

  type Checked = { secret: string; headers: Record<string, string>; body: string };
  const verdicts = (deliveries: Checked[]): (string | null)[] => {
    const python = join(folder, "bin/python");
    const input = JSON.stringify(deliveries);
    return JSON.parse(execFileSync(python, [join(TESTING, "verify.py")], { input }).toString());
  };

  it("accepts a delivery, and nothing that was changed, is old, or has another secret", async () => {
    const { headers, body } = await delivered();
    const id = headers["webhook-id"];
    const other = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    const old = String(Number(headers["webhook-timestamp"]) - 3_600);
    expect(
      verdicts([
        { secret, headers, body },
        { secret, headers, body: body.replace("webhook", "w3bhook") },
        { secret, headers: { ...headers, "webhook-id": "evt_other" }, body },
        { secret, headers: { ...headers, "webhook-timestamp": old }, body },
        { secret: other, headers, body },
      ]),
    ).toEqual([id, null, null, null, null]);
  });

  it("accepts the old and the new secret while they are exchanged", async () => {
    const rotated = await operate("POST", `/v1/webhooks/${webhook}/rotate-secret`);
    expect(rotated.status).toBe(200);
    const next = rotated.body.secret as string;
    expect(next).not.toBe(secret);
    const { headers, body } = await delivered();
    const id = headers["webhook-id"];
    expect(
      verdicts([
        { secret, headers, body },
        { secret: next, headers, body },
      ]),
    ).toEqual([id, id]);
  });
});
