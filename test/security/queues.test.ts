import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Sqs, startSqs } from "../../emulators/aws/sqs/sqs.ts";
import { sqsClient } from "../../emulators/aws/testing/clients.ts";
import { queueAccessOf } from "../../functions/runtime/queue-access.ts";
import { hostPrincipals, hostQueueSecretOf } from "../../local/host-principals.ts";
import { startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import { addHost, operate, type TestAgent } from "../functions/testing/fleet.ts";

/** The local SQS as the local control plane starts it, and what a host may do with its key there. */
const credentials = { accessKeyId: "own", secretAccessKey: "the services' own secret" };
const secret = hostQueueSecretOf(credentials.secretAccessKey);

let cloud: TestCloud;
let service: Sqs;
let own: SQSClient;
let a: TestAgent;
let b: TestAgent;
const urls = new Map<string, string>();
const clients: SQSClient[] = [];

beforeAll(async () => {
  cloud = await startTestCloud();
  service = await startSqs({ credentials, findPrincipal: hostPrincipals(secret) });
  own = clientOf(credentials);
  a = await addHost("host-a");
  b = await addHost("host-b");
  for (const { host } of [a, b]) {
    const create = new CreateQueueCommand({ QueueName: `${process.env.HOST_QUEUE_PREFIX}${host}` });
    urls.set(host, (await own.send(create)).QueueUrl ?? "");
  }
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await service.close();
  await cloud.close();
});

function clientOf(key: { accessKeyId: string; secretAccessKey: string }): SQSClient {
  const client = sqsClient(service.endpoint, key);
  clients.push(client);
  return client;
}

const accessOf = ({ host, key }: TestAgent) => clientOf(queueAccessOf(secret, host, key.id));
const queueOf = ({ host }: TestAgent) => ({ QueueUrl: urls.get(host) ?? "" });

it("a host receives and deletes its own commands", async () => {
  await own.send(new SendMessageCommand({ ...queueOf(a), MessageBody: "a command" }));
  const client = accessOf(a);
  const { Messages = [] } = await client.send(new ReceiveMessageCommand(queueOf(a)));
  expect(Messages).toMatchObject([{ Body: "a command" }]);
  const [{ ReceiptHandle } = {}] = Messages;
  await client.send(new DeleteMessageCommand({ ...queueOf(a), ReceiptHandle }));
});

it("a host cannot receive another host's commands", async () => {
  const receive = new ReceiveMessageCommand(queueOf(b));
  await expect(accessOf(a).send(receive)).rejects.toMatchObject({ name: "AccessDeniedException" });
});

it.each([
  [
    "send a command, to itself or another host",
    () => new SendMessageCommand({ ...queueOf(b), MessageBody: "x" }),
  ],
  ["purge its queue", () => new PurgeQueueCommand(queueOf(a))],
  ["list queues", () => new ListQueuesCommand({})],
  ["make a queue", () => new CreateQueueCommand({ QueueName: "another" })],
])("a host cannot %s", async (_, command) => {
  const denied = accessOf(a).send(command() as SendMessageCommand);
  await expect(denied).rejects.toMatchObject({ name: "AccessDeniedException" });
});

it("a host cannot make another host's access key from its own", async () => {
  const { secretAccessKey } = queueAccessOf(secret, a.host, a.key.id);
  const { accessKeyId } = queueAccessOf(secret, b.host, b.key.id);
  const forged = clientOf({ accessKeyId, secretAccessKey });
  await expect(forged.send(new ReceiveMessageCommand(queueOf(b)))).rejects.toMatchObject({
    name: "InvalidSignatureException",
  });
});

it.each(["host.", "host.nobody.0123456789abcdef", "host.host-a.0123456789abcdef", "other"])(
  "the access key %j is nobody's",
  async (accessKeyId) => {
    const client = clientOf({ accessKeyId, secretAccessKey: "guessed" });
    await expect(client.send(new ReceiveMessageCommand(queueOf(a)))).rejects.toMatchObject({
      name: "UnrecognizedClientException",
    });
  },
);

it("another user of the machine without a key cannot receive or send commands", async () => {
  for (const operation of ["ReceiveMessage", "SendMessage"]) {
    const answer = await fetch(service.endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `AmazonSQS.${operation}`,
      },
      body: JSON.stringify({ ...queueOf(a), MessageBody: "x" }),
    });
    expect(await answer.text()).toContain("MissingAuthenticationTokenException");
  }
});

it("a host whose key was revoked receives nothing any more", async () => {
  const client = accessOf(b);
  await client.send(new ReceiveMessageCommand(queueOf(b)));
  await operate("POST", `/v1/hosts/${b.host}/revoke-key`);
  await expect(client.send(new ReceiveMessageCommand(queueOf(b)))).rejects.toMatchObject({
    name: "UnrecognizedClientException",
  });
});
