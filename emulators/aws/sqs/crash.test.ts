import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startChild } from "../testing/child.ts";
import { sqsClient } from "../testing/clients.ts";
import { startSqs } from "./sqs.ts";

const serve = `
  import { startSqs } from "./sqs/sqs.ts";
  const { endpoint } = await startSqs({ dataDir: process.argv[1] });
  console.log(endpoint);
`;
let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "sqs-"));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

const receive = async (sqs: SQSClient, QueueUrl: string | undefined) => {
  const command = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 });
  return (await sqs.send(command)).Messages ?? [];
};

test("sent messages, and receipts of those in flight, survive kill -9", async () => {
  const child = await startChild(serve, dataDir);
  const before = sqsClient(child.firstLine);
  const Attributes = { VisibilityTimeout: "60" };
  const created = await before.send(new CreateQueueCommand({ QueueName: "commands", Attributes }));
  const send = (MessageBody: string) =>
    before.send(new SendMessageCommand({ QueueUrl: created.QueueUrl, MessageBody }));
  await send("in flight");
  await send("given up");
  const [inFlight, givenUp] = await receive(before, created.QueueUrl);
  await send("waiting");
  await child.kill();
  before.destroy();

  await using service = await startAgain();
  const { sqs } = service;
  // The URL from before the restart names another port; the client has the new endpoint.
  const { QueueUrl } = created;
  const { ReceiptHandle } = inFlight ?? {};
  expect((await receive(sqs, QueueUrl)).map((message) => message.Body)).toEqual(["waiting"]);
  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  await sqs.send(
    new ChangeMessageVisibilityCommand({
      QueueUrl,
      ReceiptHandle: givenUp?.ReceiptHandle,
      VisibilityTimeout: 0,
    }),
  );
  expect((await receive(sqs, QueueUrl)).map((message) => message.Body)).toEqual(["given up"]);
  const { Attributes: left } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }),
  );
  expect(left).toMatchObject({
    VisibilityTimeout: "60",
    ApproximateNumberOfMessages: "0",
    ApproximateNumberOfMessagesNotVisible: "2",
  });
});

test("after kill -9 under load every acknowledged message exists once", async () => {
  const child = await startChild(serve, dataDir);
  const before = sqsClient(child.firstLine);
  const { QueueUrl } = await before.send(new CreateQueueCommand({ QueueName: "commands" }));
  const acknowledged: string[] = [];
  const sendMany = async (sender: number) => {
    for (let i = 0; ; i++) {
      const MessageBody = `${sender}-${i}`;
      await before.send(new SendMessageCommand({ QueueUrl, MessageBody }));
      acknowledged.push(MessageBody);
      if (acknowledged.length === 60) void child.kill();
    }
  };
  const senders = await Promise.allSettled([0, 1, 2, 3].map(sendMany));
  expect(senders.map((sender) => sender.status)).toEqual(Array(4).fill("rejected"));
  await child.kill();
  before.destroy();

  await using service = await startAgain();
  const found: string[] = [];
  for (let page = await receive(service.sqs, QueueUrl); page.length > 0; ) {
    found.push(...page.map((message) => message.Body ?? ""));
    page = await receive(service.sqs, QueueUrl);
  }
  expect(found).toEqual(expect.arrayContaining(acknowledged));
  expect(new Set(found).size).toBe(found.length);
});

async function startAgain() {
  const service = await startSqs({ dataDir });
  const sqs = sqsClient(service.endpoint);
  return {
    sqs,
    async [Symbol.asyncDispose]() {
      sqs.destroy();
      await service.close();
    },
  };
}
