import { createHash } from "node:crypto";
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  PurgeQueueCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SetQueueAttributesCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { errorOf, sqsClient } from "../testing/clients.ts";
import { type Sqs, startSqs } from "./sqs.ts";

let nowMs: number;
let service: Sqs;
let sqs: SQSClient;
let QueueUrl: string;

beforeEach(async () => {
  nowMs = Date.UTC(2030, 0, 1);
  service = await startSqs({ now: () => nowMs });
  sqs = sqsClient(service.endpoint);
  QueueUrl = await createQueue("commands");
});

afterEach(async () => {
  sqs.destroy();
  await service.close();
});

async function createQueue(QueueName: string, Attributes?: Record<string, string>) {
  const created = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  return created.QueueUrl ?? "";
}

const send = (MessageBody: string, rest: Partial<SendMessageCommandInput> = {}) =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, ...rest }));
const receive = async (rest: Partial<ReceiveMessageCommandInput> = {}) => {
  const command = new ReceiveMessageCommand({
    QueueUrl,
    MessageSystemAttributeNames: ["All"],
    ...rest,
  });
  return (await sqs.send(command)).Messages ?? [];
};
const bodies = async (rest: Partial<ReceiveMessageCommandInput> = {}) =>
  (await receive({ MaxNumberOfMessages: 10, ...rest })).map((message) => message.Body);
const attributes = async (...AttributeNames: string[]) => {
  const command = new GetQueueAttributesCommand({
    QueueUrl,
    AttributeNames: AttributeNames as "All"[],
  });
  return (await sqs.send(command)).Attributes ?? {};
};
const setAttributes = (Attributes: Record<string, string>) =>
  sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
const remove = (ReceiptHandle: string | undefined) =>
  sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
const changeVisibility = (ReceiptHandle: string | undefined, VisibilityTimeout: number) =>
  sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }));

describe("queues", () => {
  test("a queue is found by its name and its prefix", async () => {
    const other = await createQueue("events");
    const found = await sqs.send(new GetQueueUrlCommand({ QueueName: "commands" }));
    expect(found.QueueUrl).toBe(QueueUrl);
    const all = await sqs.send(new ListQueuesCommand({}));
    expect(all.QueueUrls).toEqual([QueueUrl, other]);
    const some = await sqs.send(new ListQueuesCommand({ QueueNamePrefix: "ev" }));
    expect(some.QueueUrls).toEqual([other]);
  });

  test("a list goes on where its token says", async () => {
    const urls = [QueueUrl];
    for (const name of ["d", "e", "f"]) urls.push(await createQueue(name));
    const first = await sqs.send(new ListQueuesCommand({ MaxResults: 3 }));
    expect(first.QueueUrls).toEqual(urls.slice(0, 3));
    const { NextToken } = first;
    const second = await sqs.send(new ListQueuesCommand({ MaxResults: 3, NextToken }));
    expect([second.QueueUrls, second.NextToken]).toEqual([urls.slice(3), undefined]);
  });

  test("creating a queue again is harmless with the same attributes, refused with others", async () => {
    expect(await createQueue("commands")).toBe(QueueUrl);
    expect(await createQueue("commands", { VisibilityTimeout: "30" })).toBe(QueueUrl);
    const error = await errorOf(createQueue("commands", { VisibilityTimeout: "31" }));
    expect(error.name).toBe("QueueNameExists");
  });

  test("attributes have SQS's defaults and can be changed", async () => {
    expect(await attributes("All")).toEqual({
      ApproximateNumberOfMessages: "0",
      ApproximateNumberOfMessagesDelayed: "0",
      ApproximateNumberOfMessagesNotVisible: "0",
      CreatedTimestamp: `${nowMs / 1000}`,
      DelaySeconds: "0",
      LastModifiedTimestamp: `${nowMs / 1000}`,
      MaximumMessageSize: "1048576",
      MessageRetentionPeriod: "345600",
      QueueArn: expect.stringMatching(/^arn:aws:sqs:[a-z0-9-]+:000000000000:commands$/),
      ReceiveMessageWaitTimeSeconds: "0",
      VisibilityTimeout: "30",
    });
    nowMs += 5_000;
    await setAttributes({ VisibilityTimeout: "90" });
    expect(await attributes("VisibilityTimeout", "LastModifiedTimestamp")).toEqual({
      VisibilityTimeout: "90",
      LastModifiedTimestamp: `${nowMs / 1000}`,
    });
  });

  test("a deleted queue is gone with its messages", async () => {
    await send("old");
    await sqs.send(new DeleteQueueCommand({ QueueUrl }));
    const error = await errorOf<QueueDoesNotExist & { Code?: string }>(receive());
    expect(error).toBeInstanceOf(QueueDoesNotExist);
    expect(error.Code).toBe("AWS.SimpleQueueService.NonExistentQueue");
    await createQueue("commands");
    expect(await bodies()).toEqual([]);
  });

  test("a purged queue is empty, in flight and delayed messages included", async () => {
    await send("in flight");
    await receive();
    await send("visible");
    await send("delayed", { DelaySeconds: 10 });
    await sqs.send(new PurgeQueueCommand({ QueueUrl }));
    nowMs += 60_000;
    expect(await bodies()).toEqual([]);
  });
});

describe("messages", () => {
  test("a message arrives with its digests, attributes and history", async () => {
    const MessageAttributes = {
      kind: { DataType: "String", StringValue: "probe" },
      weight: { DataType: "Number.int", StringValue: "3" },
      raw: { DataType: "Binary", BinaryValue: new Uint8Array([1, 2, 255]) },
    };
    const sent = await send("héllo ✓", { MessageAttributes });
    nowMs += 1_000;
    const [message] = await receive({ MessageAttributeNames: ["All"] });
    expect(message).toMatchObject({
      MessageId: sent.MessageId,
      Body: "héllo ✓",
      MD5OfBody: createHash("md5").update("héllo ✓").digest("hex"),
      MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
      MessageAttributes,
      Attributes: {
        ApproximateFirstReceiveTimestamp: `${nowMs}`,
        ApproximateReceiveCount: "1",
        SenderId: "000000000000",
        SentTimestamp: `${nowMs - 1_000}`,
      },
    });
  });

  test("the digest of attributes is the one SQS computes", async () => {
    // Computed by hand after the developer guide's recipe, independently of the server's code.
    const part = (text: string) => {
      const size = Buffer.alloc(4);
      size.writeUInt32BE(Buffer.byteLength(text));
      return Buffer.concat([size, Buffer.from(text)]);
    };
    const encoded = Buffer.concat([part("a"), part("String"), Buffer.from([1]), part("b")]);
    const { MD5OfMessageAttributes } = await send("x", {
      MessageAttributes: { a: { DataType: "String", StringValue: "b" } },
    });
    expect(MD5OfMessageAttributes).toBe(createHash("md5").update(encoded).digest("hex"));
  });

  test("attributes come only when asked for, by name or prefix", async () => {
    const text = (StringValue: string) => ({ DataType: "String", StringValue });
    await send("x", { MessageAttributes: { "a.1": text("1"), "a.2": text("2"), b: text("3") } });
    const namesFor = async (...MessageAttributeNames: string[]) => {
      const [message] = await receive({ MessageAttributeNames, VisibilityTimeout: 0 });
      return Object.keys(message?.MessageAttributes ?? {});
    };
    expect(await namesFor()).toEqual([]);
    expect(await namesFor("b")).toEqual(["b"]);
    expect(await namesFor("a.*")).toEqual(["a.1", "a.2"]);
  });

  test("messages come in the order in which they were sent, at most as many as asked for", async () => {
    for (const body of ["1", "2", "3", "4"]) await send(body);
    expect(await bodies({ MaxNumberOfMessages: 3 })).toEqual(["1", "2", "3"]);
    expect(await bodies()).toEqual(["4"]);
  });

  test("a received message is hidden until its visibility timeout, and is counted", async () => {
    await send("x");
    const [first] = await receive({ VisibilityTimeout: 10 });
    nowMs += 9_999;
    expect(await bodies()).toEqual([]);
    nowMs += 1;
    const [second] = await receive();
    expect(second?.MessageId).toBe(first?.MessageId);
    expect(second?.Attributes?.ApproximateReceiveCount).toBe("2");
    expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
  });

  test("with a visibility timeout of zero a receive returns a message once", async () => {
    await send("x");
    expect(await bodies({ VisibilityTimeout: 0 })).toEqual(["x"]);
    expect(await bodies({ VisibilityTimeout: 0 })).toEqual(["x"]);
  });

  test("a deleted message does not come back, and deleting it again is harmless", async () => {
    await send("x");
    const [message] = await receive();
    await remove(message?.ReceiptHandle);
    await remove(message?.ReceiptHandle);
    nowMs += 60_000;
    expect(await bodies()).toEqual([]);
  });

  test("the receipt of an earlier receive deletes nothing", async () => {
    await send("x");
    const [first] = await receive({ VisibilityTimeout: 1 });
    nowMs += 1_000;
    await receive({ VisibilityTimeout: 1 });
    await remove(first?.ReceiptHandle);
    nowMs += 1_000;
    expect(await bodies()).toEqual(["x"]);
  });

  test("visibility can be prolonged, up to twelve hours in all, and given up", async () => {
    await send("x");
    const [message] = await receive({ VisibilityTimeout: 10 });
    await changeVisibility(message?.ReceiptHandle, 60);
    nowMs += 30_000;
    expect(await bodies()).toEqual([]);
    const error = await errorOf(changeVisibility(message?.ReceiptHandle, 43_200));
    expect(error.message).toContain("beyond the limit");
    await changeVisibility(message?.ReceiptHandle, 0);
    expect(await bodies()).toEqual(["x"]);
  });

  test("the visibility of a message that is not in flight cannot be changed", async () => {
    await send("x");
    const [message] = await receive({ VisibilityTimeout: 1 });
    nowMs += 1_000;
    const late = await errorOf(changeVisibility(message?.ReceiptHandle, 10));
    expect(late.name).toBe("MessageNotInflight");
    await remove(message?.ReceiptHandle);
    const gone = await errorOf(changeVisibility(message?.ReceiptHandle, 10));
    expect(gone.message).toContain("Message does not exist");
  });

  test("a delayed message arrives after its delay, of its own or of the queue", async () => {
    await setAttributes({ DelaySeconds: "20" });
    await send("queue's delay");
    await send("own delay", { DelaySeconds: 10 });
    expect(await attributes("ApproximateNumberOfMessagesDelayed")).toEqual({
      ApproximateNumberOfMessagesDelayed: "2",
    });
    nowMs += 10_000;
    expect(await bodies()).toEqual(["own delay"]);
    nowMs += 10_000;
    expect(await bodies()).toEqual(["queue's delay"]);
  });

  test("a message is kept for the retention period and not longer", async () => {
    await setAttributes({ MessageRetentionPeriod: "60" });
    await send("old");
    nowMs += 59_999;
    expect(await bodies({ VisibilityTimeout: 0 })).toEqual(["old"]);
    nowMs += 1;
    const count = "ApproximateNumberOfMessages";
    expect(await attributes(count)).toEqual({ [count]: "0" });
    expect(await bodies()).toEqual([]);
  });
});

describe("dead-letter queue", () => {
  test("a message received too often moves on, with its history", async () => {
    const deadLetterUrl = await createQueue("commands-dead");
    const { QueueArn: sourceArn } = await attributes("QueueArn");
    const deadLetterTargetArn = `${sourceArn}-dead`;
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
    await setAttributes({ RedrivePolicy });
    expect(JSON.parse((await attributes("RedrivePolicy")).RedrivePolicy ?? "")).toEqual({
      deadLetterTargetArn,
      maxReceiveCount: 2,
    });

    const { MessageId } = await send("poison");
    await send("good");
    for (let i = 0; i < 2; i++) {
      const [message] = await receive({ VisibilityTimeout: 1 });
      expect(message?.MessageId).toBe(MessageId);
      await changeVisibility(message?.ReceiptHandle, 0);
    }
    expect(await bodies()).toEqual(["good"]);

    const dead = await receive({ QueueUrl: deadLetterUrl, MaxNumberOfMessages: 10 });
    expect(dead.map((message) => message.MessageId)).toEqual([MessageId]);
    expect(dead[0]?.Attributes).toMatchObject({
      ApproximateReceiveCount: "3",
      DeadLetterQueueSourceArn: sourceArn,
    });
  });

  test("a receiver that waits on the dead-letter queue is woken by the move", async () => {
    const deadLetterUrl = await createQueue("commands-dead");
    const deadLetterTargetArn = `${(await attributes("QueueArn")).QueueArn}-dead`;
    await setAttributes({
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 }),
    });
    await send("poison");
    await receive({ VisibilityTimeout: 0 });
    const waiting = bodies({ QueueUrl: deadLetterUrl, WaitTimeSeconds: 20 });
    expect(await bodies()).toEqual([]);
    expect(await waiting).toEqual(["poison"]);
  });

  test("the policy must name a queue that exists, and an empty one removes it", async () => {
    const arn = `${(await attributes("QueueArn")).QueueArn}-dead`;
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: arn, maxReceiveCount: 1 });
    const error = await errorOf(setAttributes({ RedrivePolicy }));
    expect(error.message).toContain("Dead letter target does not exist");
    await createQueue("commands-dead");
    await setAttributes({ RedrivePolicy });
    await setAttributes({ RedrivePolicy: "" });
    expect(await attributes("RedrivePolicy")).toEqual({});
  });
});

describe("batches", () => {
  test("entries succeed and fail on their own", async () => {
    const Entries = [
      { Id: "good", MessageBody: "a" },
      { Id: "forbidden", MessageBody: "\u0001" },
      { Id: "late", MessageBody: "b", DelaySeconds: 901 },
      { Id: "also-good", MessageBody: "c" },
    ];
    const sent = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    expect(sent.Successful?.map((entry) => entry.Id)).toEqual(["good", "also-good"]);
    expect(sent.Failed).toMatchObject([
      { Id: "forbidden", SenderFault: true, Code: "InvalidMessageContents" },
      { Id: "late", SenderFault: true, Code: "InvalidParameterValue" },
    ]);

    const received = await receive({ MaxNumberOfMessages: 10 });
    expect(received.map((message) => message.Body)).toEqual(["a", "c"]);
    const handles = received.map((message, i) => ({
      Id: `${i}`,
      ReceiptHandle: message.ReceiptHandle,
    }));
    const removed = await sqs.send(
      new DeleteMessageBatchCommand({
        QueueUrl,
        Entries: [...handles, { Id: "bad", ReceiptHandle: "bad" }],
      }),
    );
    expect(removed.Successful?.map((entry) => entry.Id)).toEqual(["0", "1"]);
    expect(removed.Failed).toMatchObject([{ Id: "bad", Code: "ReceiptHandleIsInvalid" }]);
    nowMs += 60_000;
    expect(await bodies()).toEqual([]);
  });

  const entry = (Id: string, MessageBody = "x") => ({ Id, MessageBody });
  test.each([
    ["EmptyBatchRequest", []],
    ["TooManyEntriesInBatchRequest", Array.from({ length: 11 }, (_, i) => entry(`${i}`))],
    ["BatchEntryIdsNotDistinct", [entry("a"), entry("a")]],
    ["InvalidBatchEntryId", [entry("not an id")]],
    ["BatchRequestTooLong", [entry("a", "x".repeat(600_000)), entry("b", "x".repeat(600_000))]],
  ])("a batch is refused as a whole: %s", async (name, Entries) => {
    const error = await errorOf(sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries })));
    expect(error.name).toBe(name);
    expect(await bodies()).toEqual([]);
  });
});

describe("refusals", () => {
  test.each<[string, () => Promise<unknown>, string, RegExp]>([
    ["FIFO queues", () => createQueue("a.fifo"), "UnsupportedOperation", /FIFO queues/],
    ["bad names", () => createQueue("a b"), "InvalidParameterValue", /alphanumeric/],
    [
      "tags",
      () => sqs.send(new CreateQueueCommand({ QueueName: "a", tags: { b: "c" } })),
      "UnsupportedOperation",
      /`tags`/,
    ],
    [
      "message groups",
      () => send("x", { MessageGroupId: "g" }),
      "UnsupportedOperation",
      /`MessageGroupId`/,
    ],
    [
      "policies",
      () => setAttributes({ Policy: "{}" }),
      "InvalidAttributeName",
      /Policy is unknown or not supported/,
    ],
    [
      "attributes out of range",
      () => setAttributes({ VisibilityTimeout: "43201" }),
      "InvalidAttributeValue",
      /0 to 43200, got 43201/,
    ],
    [
      "a wait of 21 seconds",
      () => receive({ WaitTimeSeconds: 21 }),
      "InvalidParameterValue",
      /WaitTimeSeconds/,
    ],
    [
      "eleven messages at once",
      () => receive({ MaxNumberOfMessages: 11 }),
      "InvalidParameterValue",
      /MaxNumberOfMessages/,
    ],
    ["a foreign receipt", () => remove("nonsense"), "ReceiptHandleIsInvalid", /receipt handle/],
    ["a missing queue", () => send("x", { QueueUrl: undefined }), "MissingParameter", /QueueUrl/],
    [
      "another operation",
      () => sqs.send(new ListQueueTagsCommand({ QueueUrl })),
      "UnknownOperationException",
      /ListQueueTags is not supported/,
    ],
  ])("%s", async (_, request, name, message) => {
    const error = await errorOf(request());
    expect(error.name).toBe(name);
    expect(error.message).toMatch(message);
  });

  test("a message of 1 MiB is taken, one byte more is not", async () => {
    const mebibyte = "x".repeat(1_048_576);
    await send(mebibyte);
    const error = await errorOf(send(`${mebibyte}x`));
    expect(error.message).toContain("shorter than 1048576 bytes");
    expect((await bodies()).map((body) => body?.length)).toEqual([1_048_576]);
  });
});
