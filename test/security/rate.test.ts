import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { app as agents } from "../../functions/agent-events/app.ts";
import { limitPolls } from "../../local/limit-polls.ts";
import { startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import {
  type Answer,
  addHost,
  answerOf,
  operate,
  post,
  type TestAgent,
} from "../functions/testing/fleet.ts";
import { HostKey } from "../functions/testing/host-key.ts";

/** What somebody cannot do who asks too often. */
const PER_SECOND = 2;
/** More than may come at once. */
const FLOOD = 30;

let cloud: TestCloud;
let a: TestAgent;
let b: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  process.env.REQUESTS_PER_SECOND_MAX = String(PER_SECOND);
  a = await addHost("host-a");
  b = await addHost("host-b");
});
afterAll(() => cloud.close());

let nowMs = 0;
beforeEach(() => {
  // Everybody may ask again, and no time passes while a test runs.
  nowMs = Math.max(nowMs, performance.now()) + 60_000;
  vi.spyOn(performance, "now").mockReturnValue(nowMs);
});
afterEach(() => void vi.restoreAllMocks());

/** Sends until one is refused. */
async function flood(send: () => Promise<Answer>): Promise<Answer> {
  for (let request = 0; request < FLOOD; request += 1) {
    const answer = await send();
    if (answer.status === 429) return answer;
  }
  throw new Error(`Expected one of ${FLOOD} requests to be refused`);
}

const heartbeat = (agent: TestAgent) => () =>
  agent.send("heartbeat", { host: agent.host, instance: "i-1" });
const refused = { status: 429, body: { code: "too-many-requests", retryAfterSeconds: 1 } };

describe("a host that asks too often", () => {
  it("is refused with the time to wait, before anything is written, and others are not", async () => {
    const answer = await flood(heartbeat(a));
    expect(answer).toMatchObject(refused);
    expect(answer.headers.get("retry-after")).toBe("1");
    const before = await cloud.scan();
    const events = a.emit({ type: "guest.exited", vm: "web1" as never, detail: "gone" });
    expect(await events).toMatchObject(refused);
    expect(await cloud.scan()).toEqual(before);
    expect((await heartbeat(b)()).status).toBe(200);
  });

  it("is not refused because of requests that another one has signed in its name", async () => {
    const body = JSON.stringify({ host: b.host, instance: "i-1" });
    const stranger = new HostKey();
    for (let request = 0; request < FLOOD; request += 1) {
      const headers = stranger.headers(b.host, "/agent/v1/heartbeat", body);
      expect((await post("heartbeat", body, headers)).status).toBe(401);
    }
    expect((await heartbeat(b)()).status).toBe(200);
  });
});

describe("somebody who tries to join too often", () => {
  /** As API Gateway passes it on. */
  const from = (sourceIp: string) => ({ requestContext: { http: { sourceIp } } });
  const guess = (address: string) => async () => {
    const key = new HostKey();
    const joinToken = `syj_${"A".repeat(43)}`;
    const body = JSON.stringify({ host: b.host, publicKey: key.publicKey, joinToken });
    const signed = key.headers(b.host, "/agent/v1/join", body);
    const headers = { "content-type": "application/json", ...signed };
    const request = { method: "POST", headers, body };
    return answerOf(await agents.request("/agent/v1/join", request, from(address)));
  };

  it("is refused with the time to wait, and nobody at another address is", async () => {
    expect((await guess("192.0.2.1")()).body.code).toBe("join-refused");
    const answer = await flood(guess("192.0.2.1"));
    expect(answer).toMatchObject(refused);
    expect(answer.body.detail).toContain("192.0.2.1 has made more than");
    expect((await guess("192.0.2.2")()).body.code).toBe("join-refused");
  });

  it("does not keep the host that he names from being heard", async () => {
    await flood(guess("192.0.2.1"));
    expect((await heartbeat(b)()).status).toBe(200);
  });
});

it("an address that polls the queues too often is refused as SQS does it", async () => {
  const server = createServer(limitPolls((_, response) => response.end("{}")));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const client = new SQSClient({
    region: "us-east-1",
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: "x", secretAccessKey: "x" },
    maxAttempts: 1,
  });
  const poll = () => client.send(new ReceiveMessageCommand({ QueueUrl: "http://127.0.0.1/queue" }));
  const answers = await Promise.allSettled(Array.from({ length: FLOOD }, poll));
  const failures = answers.flatMap((one) => (one.status === "rejected" ? [one.reason.name] : []));
  expect(failures.length).toBeLessThan(FLOOD);
  expect(new Set(failures)).toEqual(new Set(["RequestThrottled"]));
  client.destroy();
  server.close();
});

describe("a person who asks too often", () => {
  it("is refused with the time to wait, and leaves nothing in the audit by that", async () => {
    const cordon = () => operate("POST", "/v1/hosts/host-a/cordon", { owner: "ops" });
    const answer = await flood(cordon);
    expect(answer).toMatchObject(refused);
    expect(answer.headers.get("retry-after")).toBe("1");
    const before = await cloud.scanAudit();
    expect(await cordon()).toMatchObject(refused);
    expect(await cloud.scanAudit()).toEqual(before);
  });

  it("does not keep agents from being heard", async () => {
    await flood(() => operate("GET", "/v1/hosts"));
    expect((await heartbeat(b)()).status).toBe(200);
  });

  it("by planning, is refused that, and may read and change", async () => {
    const plan = () => operate("POST", "/v1/evacuations?dryRun=true", {});
    expect(await flood(plan)).toMatchObject(refused);
    expect((await operate("GET", "/v1/hosts")).status).toBe(200);
    expect((await operate("POST", "/v1/hosts/host-a/cordon", { owner: "ops" })).status).toBe(200);
  });

  it("by changes, may read, and by reading, may change", async () => {
    await flood(() => operate("POST", "/v1/hosts/host-a/cordon", { owner: "ops" }));
    await flood(() => operate("GET", "/v1/hosts"));
    const plan = await operate("POST", "/v1/evacuations?dryRun=true", {});
    expect(plan.status).toBe(422);
  });

  it("is not kept from asking whether the control plane works", async () => {
    await flood(() => operate("GET", "/v1/hosts"));
    expect((await operate("GET", "/v1/health")).status).toBe(200);
  });
});
