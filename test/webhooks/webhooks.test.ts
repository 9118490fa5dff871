import { execFileSync } from "node:child_process";
import { Webhook as Verifier } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Delivery, Webhook } from "../../core/webhook/webhook.ts";
import { CloudEvent } from "../../core/webhook/webhook.ts";
import type { InProcessTransport } from "../../emulators/aws/aws-json/in-process-transport.ts";
import { overrideTransport } from "../../functions/runtime/clients.ts";
import { SETTLE_MS } from "../../functions/store/fleet-events.ts";
import { handler as deliverWebhooks } from "../../functions/task/deliver-webhooks.ts";
import { startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import { addHost, operate } from "../functions/testing/fleet.ts";
import { accept, Receiver, refuse } from "./testing/receiver.ts";

const HOUR_MS = 3_600_000;
let cloud: TestCloud;
let receiver: Receiver;
let url: string;
let hosts = 0;

type Transport = Pick<InProcessTransport, "handle">;
type Request = Parameters<Transport["handle"]>[0];
let table: Transport;

beforeAll(async () => {
  process.env.WEBHOOK_RECEIVERS = "loopback";
  cloud = await startTestCloud();
  table = cloud.transports.DYNAMODB;
  overrideTransport("DYNAMODB", { handle: (request: Request) => table.handle(request) });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  receiver = new Receiver();
  url = await receiver.listen();
});
afterAll(async () => {
  vi.useRealTimers();
  receiver.close();
  await cloud.close();
});
beforeEach(async () => {
  for (const { id } of await webhooks()) await operate("DELETE", `/v1/webhooks/${id}`);
  receiver.answer = accept;
  receiver.received.length = 0;
});

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);
/** One round, once everything is told. */
const deliver = async () => {
  pass(SETTLE_MS + 1);
  return deliverWebhooks({ workMs: 4_000 });
};

async function webhooks(): Promise<Webhook[]> {
  return (await operate("GET", "/v1/webhooks")).body.items as Webhook[];
}

async function add(wish: object = {}): Promise<{ id: string; secret: string }> {
  const { status, body } = await operate("POST", "/v1/webhooks", { url, ...wish });
  if (status !== 201) throw new Error(`Expected a webhook: ${JSON.stringify(body)}`);
  const { webhook, secret } = body as { webhook: Webhook; secret: string };
  return { id: webhook.id, secret };
}

/** Something that is told: a host's labels decide which webhooks with labels are. */
async function cordonNewHost(labels: Record<string, string> = {}): Promise<string> {
  hosts += 1;
  const id = `host-${hosts}`;
  await addHost(id);
  if (Object.keys(labels).length > 0) await operate("PATCH", `/v1/hosts/${id}`, { labels });
  pass(1);
  await operate("POST", `/v1/hosts/${id}/cordon`, { owner: "alice" });
  return id;
}

async function deliveries(id: string): Promise<Delivery[]> {
  return (await operate("GET", `/v1/webhooks/${id}/deliveries`)).body.items as Delivery[];
}

const only = { types: ["host.cordoned"] };
const bodies = () => receiver.received.map(({ body }) => CloudEvent.parse(JSON.parse(body)));

/** By OpenSSL: another implementation of HMAC in another language. */
function openssl(secret: string, text: string): string {
  const key = Buffer.from(secret.slice("whsec_".length), "base64").toString("hex");
  const options = ["dgst", "-sha256", "-mac", "HMAC", "-macopt", `hexkey:${key}`, "-binary"];
  return execFileSync("openssl", options, { input: text }).toString("base64");
}

function isSignedFor(secret: string): boolean {
  const { headers, body } = receiver.received.at(-1) ?? { headers: {}, body: "" };
  const named = headers as Record<string, string>;
  const text = `${named["webhook-id"]}.${named["webhook-timestamp"]}.${body}`;
  const byOpenssl = (named["webhook-signature"] ?? "").includes(`v1,${openssl(secret, text)}`);
  let byLibrary = true;
  try {
    new Verifier(secret).verify(body, named);
  } catch {
    byLibrary = false;
  }
  expect(byLibrary).toBe(byOpenssl);
  return byLibrary;
}

describe("a delivery", () => {
  it("is a CloudEvent that verifiers of others accept, and no changed one", async () => {
    const { id, secret } = await add(only);
    const host = await cordonNewHost();
    expect(await deliver()).toEqual({ delivered: 1, failed: 0 });
    const [event] = bodies();
    expect(event).toMatchObject({
      type: "switchyard.host.cordoned",
      subject: `hosts/${host}`,
      data: { host, owners: ["alice"] },
    });
    expect(receiver.received[0]?.headers).toMatchObject({
      "content-type": "application/cloudevents+json; charset=utf-8",
      "webhook-id": event?.id,
    });
    expect(isSignedFor(secret)).toBe(true);
    const [sent] = receiver.received;
    if (sent !== undefined) sent.body = sent.body.replace("alice", "mallory");
    expect(isSignedFor(secret)).toBe(false);
    expect(await deliveries(id)).toMatchObject([{ status: "delivered", tries: [{ status: 204 }] }]);
    expect(await deliver()).toEqual({ delivered: 0, failed: 0 });
  });

  it("is signed with both secrets for a day after a rotation", async () => {
    const { id, secret: old } = await add();
    const { body } = await operate("POST", `/v1/webhooks/${id}/rotate-secret`);
    const secret = String(body.secret);
    await operate("POST", `/v1/webhooks/${id}/test`);
    await deliver();
    expect([isSignedFor(old), isSignedFor(secret)]).toEqual([true, true]);
    pass(24 * HOUR_MS);
    await operate("POST", `/v1/webhooks/${id}/test`);
    await deliver();
    expect([isSignedFor(old), isSignedFor(secret)]).toEqual([false, true]);
  });

  it("is made to webhooks whose types and labels fit, and that are enabled", async () => {
    await add({ ...only, labels: { rack: "7" } });
    const paused = await add(only);
    await operate("PATCH", `/v1/webhooks/${paused.id}`, { status: "paused" });
    await add({ types: ["migration"] });
    await cordonNewHost();
    const host = await cordonNewHost({ rack: "7", row: "1" });
    await deliver();
    expect(bodies().map(({ data }) => data.host)).toEqual([host]);
  });

  it("shows its secret in the answer that made it, and nowhere else", async () => {
    const { id, secret } = await add();
    const answers = [
      await operate("GET", "/v1/webhooks"),
      await operate("GET", `/v1/webhooks/${id}`),
    ];
    const audit = await cloud.scanAudit();
    expect(JSON.stringify([answers, audit])).not.toContain(secret);
    expect(JSON.stringify(await cloud.scan())).toContain(secret);
  });
});

describe("a receiver that", () => {
  it("fails is tried again after a pause, and is tried no more after the tenth try", async () => {
    const { id } = await add(only);
    await cordonNewHost();
    receiver.answer = refuse(500);
    await deliver();
    expect(await deliverWebhooks({ workMs: 4_000 })).toEqual({ delivered: 0, failed: 0 });
    expect(await deliveries(id)).toMatchObject([
      { status: "waiting", tries: [{ status: 500, error: "answered 500", answer: "not now" }] },
    ]);
    for (let tries = 2; tries <= 10; tries += 1) {
      pass(29 * HOUR_MS);
      // What fails for five days is disabled; an operator enables it again.
      await operate("PATCH", `/v1/webhooks/${id}`, { status: "enabled" });
      expect(await deliver()).toEqual({ delivered: 0, failed: 1 });
    }
    const [given] = await deliveries(id);
    expect(given).toMatchObject({ status: "given-up" });
    receiver.answer = accept;
    await operate("POST", `/v1/webhooks/${id}/deliveries/${given?.event.id}/redeliver`);
    expect(await deliver()).toEqual({ delivered: 1, failed: 0 });
    expect(new Set(bodies().map((event) => event.id)).size).toBe(1);
  });

  it("fails for five days is disabled, and the others are told", async () => {
    const { id } = await add({ types: ["host"] });
    receiver.answer = refuse(500);
    await cordonNewHost();
    await deliver();
    expect((await webhooks())[0]?.failingSince).toBeDefined();
    pass(121 * HOUR_MS);
    await deliver();
    expect(await webhooks()).toMatchObject([{ id, status: "disabled" }]);
    receiver.answer = accept;
    await add({ types: ["webhook"] });
    await deliver();
    expect(bodies().at(-1)).toMatchObject({ type: "switchyard.webhook.disabled" });
  });

  it("answers 410 is disabled at once, until somebody enables it", async () => {
    const { id } = await add(only);
    receiver.answer = refuse(410);
    await cordonNewHost();
    await deliver();
    expect(await webhooks()).toMatchObject([
      { status: "disabled", reason: expect.stringContaining("410") },
    ]);
    const { status, body } = await operate("POST", `/v1/webhooks/${id}/test`);
    expect([status, body.code]).toEqual([409, "webhook-not-enabled"]);
    receiver.answer = accept;
    await operate("PATCH", `/v1/webhooks/${id}`, { status: "enabled" });
    await operate("POST", `/v1/webhooks/${id}/test`);
    expect(await deliver()).toEqual({ delivered: 1, failed: 0 });
  });

  it.each([429, 503])("answers %d is left alone for as long as it asks", async (status) => {
    const { id } = await add(only);
    receiver.answer = refuse(status, { "retry-after": "7200" });
    await cordonNewHost();
    await deliver();
    receiver.answer = accept;
    pass(1.9 * HOUR_MS);
    expect(await deliver()).toEqual({ delivered: 0, failed: 0 });
    pass(0.2 * HOUR_MS);
    expect(await deliver()).toEqual({ delivered: 1, failed: 0 });
    expect(await deliveries(id)).toMatchObject([{ status: "delivered" }]);
  });

  it("redirects is not followed", async () => {
    const { id } = await add(only);
    receiver.answer = refuse(307, { location: `${url}/elsewhere` });
    await cordonNewHost();
    await deliver();
    expect(receiver.received.map(({ path }) => path)).toEqual(["/hook"]);
    expect((await deliveries(id))[0]?.tries[0]?.error).toBe("redirects are not followed");
  });

  it("hangs holds up no other one", async () => {
    const other = new Receiver();
    await add({ ...only, url: await other.listen() });
    await add(only);
    await cordonNewHost();
    const done = Promise.withResolvers<void>();
    receiver.answer = (response) => {
      // It answers when the other one has its delivery.
      void done.promise.then(() => accept(response));
    };
    other.answer = (response) => {
      accept(response);
      done.resolve();
    };
    expect(await deliver()).toEqual({ delivered: 2, failed: 0 });
    other.close();
  });
});

const WRITES = /\.(PutItem|UpdateItem|BatchWriteItem|TransactWriteItems)$/;

/** A table that is gone from the given write on: before the write is done, or after it. */
function dying(
  real: Transport,
  at: number,
  when: "before" | "after",
): Transport & { dead: boolean } {
  let writes = 0;
  const dead = () => Object.assign(new Error("killed"), { name: "ValidationException" });
  const transport = {
    dead: false,
    handle: async (request: Request) => {
      if (transport.dead) throw dead();
      const isWrite = WRITES.test(request.headers["x-amz-target"] ?? "");
      if (isWrite) writes += 1;
      if (!isWrite || writes !== at) return real.handle(request);
      if (when === "after") await real.handle(request);
      transport.dead = true;
      throw dead();
    },
  };
  return transport;
}

describe("a deliverer that is killed", () => {
  it.each(["before", "after"] as const)("%s any of its writes loses nothing", async (when) => {
    const { id } = await add(only);
    const real = cloud.transports.DYNAMODB;
    let kills = 0;
    for (let at = 1; ; at += 1) {
      const host = await cordonNewHost();
      const transport = dying(real, at, when);
      table = transport;
      await deliver().catch(() => undefined);
      table = real;
      // Whoever had begun a try is gone by then.
      pass(61_000);
      await deliver();
      expect(bodies().map(({ data }) => data.host)).toContain(host);
      expect((await deliveries(id)).map(({ status }) => status)).not.toContain("waiting");
      if (!transport.dead) break;
      kills += 1;
    }
    expect(kills).toBeGreaterThanOrEqual(4);
  });
});

it.each([
  "http://example.org/hook",
  "https://10.0.0.1/hook",
  "https://user:secret@example.org/",
  "ftp://example.org/",
  "/hook",
])("a webhook for %s is refused", async (wrong) => {
  const { status, body } = await operate("POST", "/v1/webhooks", { url: wrong });
  expect([status, body.code]).toEqual([422, "invalid"]);
});
