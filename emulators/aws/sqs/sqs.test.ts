import {
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  QueueDoesNotExist,
  SendMessageBatchCommand,
} from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import { errorOf } from "../testing/clients.ts";
import {
  attributes,
  bodies,
  changeVisibility,
  createQueue,
  nowMs,
  pass,
  QueueUrl,
  receive,
  send,
  setAttributes,
  sqs,
  useSqs,
} from "./fixtures.ts";

useSqs();

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

  test("a list continues at its token", async () => {
    const urls = [QueueUrl];
    for (const name of ["d", "e", "f"]) urls.push(await createQueue(name));
    const first = await sqs.send(new ListQueuesCommand({ MaxResults: 3 }));
    expect(first.QueueUrls).toEqual(urls.slice(0, 3));
    const { NextToken } = first;
    const second = await sqs.send(new ListQueuesCommand({ MaxResults: 3, NextToken }));
    expect([second.QueueUrls, second.NextToken]).toEqual([urls.slice(3), undefined]);
  });

  test("a queue can be created again with the same attributes only", async () => {
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
    pass(5_000);
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
    pass(60_000);
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
    pass(60_000);
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
