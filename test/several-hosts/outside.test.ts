import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import {
  CreateQueueCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Sqs, startSqs } from "../../emulators/aws/sqs/sqs.ts";
import { queueAccessOf } from "../../functions/runtime/queue-access.ts";
import { type Gateways, startGateways } from "../../local/gateways.ts";
import { hostPrincipals, hostQueueSecretOf } from "../../local/host-principals.ts";
import { readTlsFiles } from "../../local/tls-files.ts";
import { type Certificates, makeCertificates } from "../../rig/certificates.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { OPERATOR_TOKEN, startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import { addHost, type TestAgent } from "../functions/testing/fleet.ts";

const credentials = { accessKeyId: "own", secretAccessKey: "the services' own secret" };
const secret = hostQueueSecretOf(credentials.secretAccessKey);

let folder: string;
let files: Certificates;
let cloud: TestCloud;
let sqs: Sqs;
let gateways: Gateways;
let host: TestAgent;
let queueUrl = "";

beforeAll(async () => {
  folder = ownedFolder("sy-outside-");
  files = makeCertificates(folder, "IP:127.0.0.1");
  cloud = await startTestCloud();
  host = await addHost("host-a");
  sqs = await startSqs({ credentials, findPrincipal: hostPrincipals(secret) });
  const own = new SQSClient({ region: "us-east-1", endpoint: sqs.endpoint, credentials });
  const QueueName = `${process.env.HOST_QUEUE_PREFIX}host-a`;
  queueUrl = (await own.send(new CreateQueueCommand({ QueueName }))).QueueUrl ?? "";
  await own.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: "a command" }));
  own.destroy();
  const tls = readTlsFiles({ certFile: files.cert, keyFile: files.key }, "127.0.0.1");
  gateways = await startGateways({
    port: 0,
    operatorToken: OPERATOR_TOKEN,
    listen: { address: "127.0.0.1", port: 0, tls },
    queues: sqs.answerOutside,
  });
});
afterAll(async () => {
  await gateways.close();
  await sqs.close();
  await cloud.close();
  removeFolder(folder);
});

type Answer = { status: number; body: string };

function call(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = "GET", headers = {}, body } = options;
    const url = new URL(path, gateways.publicUrl);
    const sent = tlsRequest(url, { method, headers, ca: readFileSync(files.ca) }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const authorization = `Bearer ${OPERATOR_TOKEN}`;
const hostKey = () => queueAccessOf(secret, host.host, host.key.id);

function queueClient(key: { accessKeyId: string; secretAccessKey: string }): SQSClient {
  return new SQSClient({
    region: "us-east-1",
    endpoint: `${gateways.publicUrl}/queues`,
    useQueueUrlAsEndpoint: false,
    credentials: key,
    maxAttempts: 1,
    requestHandler: { httpsAgent: { ca: readFileSync(files.ca) } },
  });
}

describe("other machines", () => {
  it("reach the API with the operator's token, and not without", async () => {
    const hosts = await call("/v1/hosts", { headers: { authorization } });
    expect(hosts.status).toBe(200);
    expect((await call("/v1/hosts")).status).toBe(401);
  });

  it("reach the agents' function, which asks for the host's signature", async () => {
    const body = JSON.stringify({ host: "host-a", instance: "0".repeat(36) });
    const headers = { "content-type": "application/json" };
    const answer = await call("/agent/v1/heartbeat", { method: "POST", headers, body });
    expect([401, 422]).toContain(answer.status);
  });

  it.each(["/", "/index.html", "/docs", "/docs/start.js", "/sign-in"])(
    "do not reach the dashboard or the page of the API: %s",
    async (path) => {
      for (const method of ["GET", "DELETE"]) {
        expect((await call(path, { method, headers: { authorization } })).status).toBe(404);
      }
    },
  );

  it("receive the commands of a host with its key", async () => {
    const client = queueClient(hostKey());
    const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl: queueUrl }));
    expect(Messages).toMatchObject([{ Body: "a command" }]);
    client.destroy();
  });

  it.each<[string, () => { accessKeyId: string; secretAccessKey: string }, string]>([
    ["with the services' own key", () => credentials, "UnrecognizedClientException"],
    ["with a key of nobody", () => ({ ...credentials, accessKeyId: "x" }), "UnrecognizedClient"],
    ["with the host's key, but to list", hostKey, "AccessDeniedException"],
  ])("reach no queue %s", async (_, key, name) => {
    const client = queueClient(key());
    const listed = client.send(new ListQueuesCommand({}));
    await expect(listed).rejects.toMatchObject({ name: expect.stringContaining(name) });
    client.destroy();
  });

  it.each(["DynamoDB_20120810.ListTables", "AWSStepFunctions.ListStateMachines"])(
    "do not reach the other services: %s",
    async (target) => {
      const type = "application/x-amz-json-1.0";
      const headers = { "content-type": type, "x-amz-target": target, authorization };
      for (const path of ["/queues", "/"]) {
        const { status } = await call(path, { method: "POST", headers, body: "{}" });
        expect([400, 404, 415]).toContain(status);
      }
    },
  );

  it("are not answered without TLS", async () => {
    const url = new URL("/v1/health", gateways.publicUrl?.replace("https:", "http:"));
    const answered = new Promise((resolve, reject) => {
      httpRequest(url, resolve).on("error", reject).end();
    });
    await expect(answered).rejects.toThrow();
  });
});
