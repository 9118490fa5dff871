import { randomBytes } from "node:crypto";
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorOf, sqsClient } from "../testing/clients.ts";
import { startQueueService } from "./queue-service.ts";

/** What the product needs of queues, by the clock of the service: also for other engines. */
let sqs: SQSClient;
let service: Awaited<ReturnType<typeof startQueueService>>;

beforeAll(async () => {
  service = await startQueueService();
  sqs = sqsClient(service.endpoint);
});
afterAll(async () => {
  sqs.destroy();
  await service.close();
});

describe("visibility", () => {
  test("a received message is hidden for VisibilityTimeout, and comes again after it", async () => {
    const queue = await makeQueue({ VisibilityTimeout: "2" });
    await send(queue, "once");
    const sentMs = Date.now();
    const [first] = await receive(queue);
    expect(await receive(queue)).toEqual([]);
    const [again] = await receive(queue, 10);
    expect(Date.now() - sentMs).toBeGreaterThanOrEqual(1_900);
    expect([first?.Body, again?.Body]).toEqual(["once", "once"]);
    expect(again?.MessageId).toBe(first?.MessageId);
    expect(again?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
    expect(again?.Attributes?.ApproximateReceiveCount).toBe("2");
  });

  test("a message is given back at once by a visibility of 0, and kept longer by more", async () => {
    const queue = await makeQueue({ VisibilityTimeout: "30" });
    await send(queue, "held");
    const [held] = await receive(queue);
    await visibility(queue, held, 0);
    const [again] = await receive(queue, 5);
    expect(again?.Body).toBe("held");
    await visibility(queue, again, 60);
    expect(await receive(queue)).toEqual([]);
  });

  test("a deleted message does not come again", async () => {
    const queue = await makeQueue({ VisibilityTimeout: "1" });
    await send(queue, "gone");
    const [message] = await receive(queue);
    await remove(queue, message);
    expect(await receive(queue, 2)).toEqual([]);
    // Deleting it twice is no error.
    await remove(queue, message);
  });

  test("counts what is there and what is in flight", async () => {
    const queue = await makeQueue();
    for (const body of ["1", "2", "3"]) await send(queue, body);
    await receive(queue, 0, 1);
    const counted = await attributes(queue, "ApproximateNumberOfMessages");
    const inFlight = await attributes(queue, "ApproximateNumberOfMessagesNotVisible");
    expect([counted, inFlight]).toEqual(["2", "1"]);
  });
});

describe("dead letters", () => {
  test("a message that was received maxReceiveCount times moves to the other queue", async () => {
    const dead = await makeQueue();
    const deadLetterTargetArn = await attributes(dead, "QueueArn");
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
    const queue = await makeQueue({ VisibilityTimeout: "30", RedrivePolicy });
    await send(queue, "poison");
    for (let time = 1; time <= 2; time += 1) {
      const [message] = await receive(queue, 5);
      expect(message?.Body, `receive ${time}`).toBe("poison");
      await visibility(queue, message, 0);
    }
    expect(await receive(queue, 1)).toEqual([]);
    const [letter] = await receive(dead, 5);
    expect(letter?.Body).toBe("poison");
  });
});

describe("receiving", () => {
  test("a long poll ends with the message that comes", async () => {
    const queue = await makeQueue();
    const startedMs = Date.now();
    const poll = receive(queue, 20);
    await send(queue, "late");
    expect((await poll).map(({ Body }) => Body)).toEqual(["late"]);
    expect(Date.now() - startedMs).toBeLessThan(15_000);
  });

  test("a long poll ends empty after its time", async () => {
    const queue = await makeQueue();
    const startedMs = Date.now();
    expect(await receive(queue, 1)).toEqual([]);
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(900);
  });

  test("up to ten at a time, each to one receiver", async () => {
    const queue = await makeQueue({ VisibilityTimeout: "60" });
    const Entries = Array.from({ length: 10 }, (_, i) => ({ Id: `${i}`, MessageBody: `${i}` }));
    await sqs.send(new SendMessageBatchCommand({ QueueUrl: queue, Entries }));
    const got: Message[] = [];
    for (let polls = 0; polls < 10 && got.length < 10; polls += 1) {
      const both = await Promise.all([receive(queue, 1, 10), receive(queue, 1, 10)]);
      got.push(...both.flat());
    }
    expect(got.map(({ Body }) => Body).toSorted()).toEqual(Entries.map(({ Id }) => Id).toSorted());
  });

  test("a delayed message comes after its delay", async () => {
    const queue = await makeQueue();
    const delayed = { QueueUrl: queue, MessageBody: "later", DelaySeconds: 1 };
    await sqs.send(new SendMessageCommand(delayed));
    expect(await receive(queue)).toEqual([]);
    expect((await receive(queue, 5)).map(({ Body }) => Body)).toEqual(["later"]);
  });
});

describe("queues", () => {
  test("are made once for the same name and attributes", async () => {
    const name = newName();
    const make = (VisibilityTimeout: string) =>
      sqs.send(new CreateQueueCommand({ QueueName: name, Attributes: { VisibilityTimeout } }));
    const { QueueUrl } = await make("10");
    expect((await make("10")).QueueUrl).toBe(QueueUrl);
    expect((await errorOf(make("11"))).name).toBe("QueueNameExists");
    const { QueueUrl: found } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
    expect(found).toBe(QueueUrl);
  });

  test("that do not exist are refused by that name", async () => {
    const queue = await makeQueue();
    await sqs.send(new DeleteQueueCommand({ QueueUrl: queue }));
    for (const call of [send(queue, "x"), receive(queue)]) {
      expect((await errorOf(call)).name).toBe("QueueDoesNotExist");
    }
  });

  test("take a message of 256 KiB, and none of more than 1 MiB", async () => {
    const queue = await makeQueue();
    await send(queue, "x".repeat(256 * 1024));
    expect((await receive(queue, 5))[0]?.Body).toHaveLength(256 * 1024);
    const error = await errorOf(send(queue, "x".repeat(1024 * 1024 + 1)));
    expect(error.name).toMatch(/InvalidParameterValue|InvalidMessageContents|BatchRequestTooLong/);
  });
});

function newName(): string {
  return `case-${randomBytes(4).toString("hex")}`;
}

async function makeQueue(Attributes: Record<string, string> = {}): Promise<string> {
  const made = await sqs.send(new CreateQueueCommand({ QueueName: newName(), Attributes }));
  return made.QueueUrl ?? "";
}

const send = (QueueUrl: string, MessageBody: string) =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));

async function receive(QueueUrl: string, WaitTimeSeconds = 0, most = 10): Promise<Message[]> {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl,
      WaitTimeSeconds,
      MaxNumberOfMessages: most,
      MessageSystemAttributeNames: ["All"],
    }),
  );
  return Messages;
}

const visibility = (QueueUrl: string, message: Message | undefined, VisibilityTimeout: number) =>
  sqs.send(
    new ChangeMessageVisibilityCommand({
      QueueUrl,
      ReceiptHandle: message?.ReceiptHandle,
      VisibilityTimeout,
    }),
  );

const remove = (QueueUrl: string, message: Message | undefined) =>
  sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));

async function attributes(
  QueueUrl: string,
  name: "QueueArn" | "ApproximateNumberOfMessages" | "ApproximateNumberOfMessagesNotVisible",
) {
  const get = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [name] });
  return (await sqs.send(get)).Attributes?.[name];
}
