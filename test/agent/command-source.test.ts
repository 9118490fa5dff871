import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandSource } from "../../agent/cloud/command-source.ts";
import { quietLog } from "../../agent/runtime/testing/quiet-log.ts";
import type { ServiceLogger } from "../../emulators/aws/aws-json/answer.ts";
import { type Sqs, startSqs } from "../../emulators/aws/sqs/sqs.ts";
import { sqsClient } from "../../emulators/aws/testing/clients.ts";
import { waitUntil } from "../../rig/wait-until.ts";

let service: Sqs;
let sqs: SQSClient;
let queueUrl: string;
let operations: string[];

beforeEach(async () => {
  operations = [];
  const debug = (line: object) =>
    operations.push(String((line as { operation: string }).operation));
  const logger = { debug, error: () => undefined } as unknown as ServiceLogger;
  service = await startSqs({ logger, now: Date.now });
  sqs = sqsClient(service.endpoint);
  queueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: "host-a" }))).QueueUrl ?? "";
});

afterEach(async () => {
  sqs.destroy();
  await service.close();
});

async function send(count: number): Promise<void> {
  for (let place = 0; place < count; place += 1) {
    const MessageBody = `command ${place + 1}`;
    await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody }));
  }
}

/** In the queue or given out, and not deleted. */
async function left(): Promise<number> {
  const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...names] }),
  );
  return names.reduce((sum, name) => sum + Number(Attributes[name]), 0);
}

async function take(count: number, handle: (body: string) => Promise<void>) {
  await send(count);
  let taken = 0;
  const counted = (body: string) => {
    taken += 1;
    return handle(body);
  };
  const source = new CommandSource({ sqs, queueUrl, handle: counted, log: quietLog() });
  source.start();
  await waitUntil("all commands", () => (taken === count ? true : undefined));
  return source;
}

describe("commands from the queue", () => {
  it("are deleted together, later, and when it is stopped at once", async () => {
    const source = await take(12, async () => undefined);
    expect(await left()).toBe(12);
    await source.stop();
    expect(await left()).toBe(0);
    const deletes = operations.filter((operation) => operation.startsWith("Delete"));
    expect(deletes).toEqual(["DeleteMessageBatch", "DeleteMessageBatch"]);
  });

  it("stay in the queue when their answer could not be made durable", async () => {
    const source = await take(3, async (body) => {
      if (body === "command 2") throw new Error("disk full");
    });
    await source.stop();
    expect(await left()).toBe(1);
  });

  it("are waited for by a stop, but not for ever", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const source = await take(1, () => promise);
    await source.stop(50);
    expect(await left()).toBe(1);
    resolve();
    await source.stop();
    expect(await left()).toBe(0);
  });
});
