import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CreateTableCommand, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startDynamodb } from "./dynamodb/dynamodb.ts";
import { startSqs } from "./sqs/sqs.ts";
import { dynamodbClient, sqsClient } from "./testing/clients.ts";

let dataDir: string;
/** The database of the service that was started last. */
let database: DatabaseSync | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "full-"));
  const { exec } = DatabaseSync.prototype;
  vi.spyOn(DatabaseSync.prototype, "exec").mockImplementation(function (
    this: DatabaseSync,
    text: string,
  ) {
    database = this;
    return exec.call(this, text);
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dataDir, { recursive: true, force: true });
});

/** As if the disk had room for so many pages of SQLite more. */
function limitPages(pages: number): void {
  const { page_count: used } = database?.prepare("PRAGMA page_count").get() ?? {};
  database?.prepare(`PRAGMA max_page_count = ${Number(used) + pages}`).get();
}

const refusal = {
  $metadata: { httpStatusCode: 500 },
  name: "InternalServerError",
  message: expect.stringContaining("cannot write to its storage"),
};
const text = "x".repeat(60_000);

describe("a service whose disk is full", () => {
  it("DynamoDB refuses writes with its own error, answers reads, and takes writes later", async () => {
    const service = await startDynamodb({ dataDir });
    const client = dynamodbClient(service.endpoint);
    const TableName = "table";
    const put = (id: string) =>
      client.send(new PutItemCommand({ TableName, Item: { id: { S: id }, text: { S: text } } }));
    const get = (id: string) =>
      client.send(new GetItemCommand({ TableName, Key: { id: { S: id } } }));
    await client.send(
      new CreateTableCommand({
        TableName,
        BillingMode: "PAY_PER_REQUEST",
        KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
        AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      }),
    );
    await put("before");
    limitPages(2);
    await expect(put("during")).rejects.toMatchObject(refusal);
    expect((await get("before")).Item?.text?.S).toBe(text);
    expect((await get("during")).Item).toBeUndefined();
    limitPages(1_000);
    await put("during");
    expect((await get("during")).Item?.text?.S).toBe(text);
    client.destroy();
    await service.close();
  });

  it("SQS refuses messages, and takes them later", async () => {
    const service = await startSqs({ dataDir });
    const client = sqsClient(service.endpoint);
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: "queue" }));
    const send = () => client.send(new SendMessageCommand({ QueueUrl, MessageBody: text }));
    limitPages(2);
    await expect(send()).rejects.toMatchObject(refusal);
    limitPages(1_000);
    await send();
    const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl }));
    expect(Messages).toHaveLength(1);
    client.destroy();
    await service.close();
  });
});
