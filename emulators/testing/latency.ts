/**
 * Measures the local services through the AWS SDK's clients, data on disk, in milliseconds:
 * `node emulators/testing/latency.ts`
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from "@aws-sdk/client-sqs";
import { GetCommand, TransactWriteCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { startDynamodb } from "../aws/dynamodb/dynamodb.ts";
import { tableInput } from "../aws/dynamodb/fixtures.ts";
import { startSqs } from "../aws/sqs/sqs.ts";
import { documentClient, sqsClient } from "../aws/testing/clients.ts";

const ROUNDS = 300;
const WARM_UP_ROUNDS = 50;

async function main(): Promise<void> {
  const dataDir = await mkdtemp(path.join(tmpdir(), "latency-"));
  try {
    await measureDynamodb(dataDir);
    await measureSqs(dataDir);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measureDynamodb(dataDir: string): Promise<void> {
  const service = await startDynamodb({ dataDir });
  const items = documentClient(service.endpoint);
  const TableName = "latency";
  await items.send(new CreateTableCommand(tableInput(TableName)));
  const update = (pk: string) => ({
    TableName,
    Key: { pk, sk: "STATE" },
    UpdateExpression: "SET g1 = :g, g2 = :g ADD n :one",
    ExpressionAttributeValues: { ":g": pk, ":one": 1 },
  });
  await report("UpdateItem", () => items.send(new UpdateCommand(update("a"))));
  await report("GetItem", () =>
    items.send(new GetCommand({ TableName, Key: { pk: "a", sk: "STATE" }, ConsistentRead: true })),
  );
  await report("TransactWriteItems, 2 items", () => {
    const TransactItems = [{ Update: update("a") }, { Update: update("b") }];
    return items.send(new TransactWriteCommand({ TransactItems }));
  });
  items.destroy();
  await service.close();
}

async function measureSqs(dataDir: string): Promise<void> {
  const service = await startSqs({ dataDir });
  const sqs = sqsClient(service.endpoint);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "latency" }));
  const deliver = async () => {
    const waiting = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
    // Once this request is answered, the one before it is waiting.
    await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
    const startedMs = performance.now();
    const sent = sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "x" }));
    const [message] = (await waiting).Messages ?? [];
    const latencyMs = performance.now() - startedMs;
    await sent;
    const { ReceiptHandle } = message ?? {};
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    return latencyMs;
  };
  await report("SendMessage to waiting receiver", deliver);
  sqs.destroy();
  await service.close();
}

/** @param run may return its own measure; otherwise its duration counts */
async function report(name: string, run: () => Promise<unknown>): Promise<void> {
  const samples: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    const startedMs = performance.now();
    const measured = await run();
    const durationMs = performance.now() - startedMs;
    if (round >= WARM_UP_ROUNDS) samples.push(typeof measured === "number" ? measured : durationMs);
  }
  samples.sort((a, b) => a - b);
  const at = (share: number) => samples[Math.floor(samples.length * share)]?.toFixed(2);
  console.log(`${name.padEnd(34)} median ${at(0.5)}  p95 ${at(0.95)}`);
}

await main();
