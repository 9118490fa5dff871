import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { errorOf, sqsClient } from "../testing/clients.ts";
import { type Sqs, startSqs } from "./sqs.ts";

let service: Sqs;
let sqs: SQSClient;
let QueueUrl: string;

beforeEach(async () => {
  service = await startSqs();
  sqs = sqsClient(service.endpoint);
  const { QueueUrl: url = "" } = await sqs.send(new CreateQueueCommand({ QueueName: "commands" }));
  QueueUrl = url;
});

afterEach(async () => {
  sqs.destroy();
  await service.close();
});

const send = (MessageBody: string, DelaySeconds?: number) =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, DelaySeconds }));
const receive = async (WaitTimeSeconds: number, abortSignal?: AbortSignal) => {
  const command = new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds });
  const options = abortSignal ? { abortSignal } : {};
  return (await sqs.send(command, options)).Messages ?? [];
};
const bodies = async (WaitTimeSeconds: number) =>
  (await receive(WaitTimeSeconds)).map((message) => message.Body);

/** Requests arrive in order on loopback: once this one is answered, earlier ones have arrived. */
const waitersHaveCome = () => receive(0);

test("a waiting receiver gets a message as soon as it is sent", async () => {
  const waiting = bodies(20);
  await waitersHaveCome();
  const startedMs = performance.now();
  await send("now");
  expect(await waiting).toEqual(["now"]);
  // Far above the usual latency, far below the wait; emulators/testing/latency.ts measures the
  // latency.
  expect(performance.now() - startedMs).toBeLessThan(15_000);
});

test("the longest waiting receiver is served first, and each message goes to one", async () => {
  const first = bodies(20);
  await waitersHaveCome();
  const second = bodies(20);
  await waitersHaveCome();
  await send("1");
  expect(await first).toEqual(["1"]);
  await send("2");
  expect(await second).toEqual(["2"]);
});

test("a batch serves several receivers", async () => {
  const waiting = [bodies(20), bodies(20)];
  await waitersHaveCome();
  const Entries = ["a", "b"].map((Id) => ({ Id, MessageBody: Id }));
  await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  expect((await Promise.all(waiting)).flat().toSorted()).toEqual(["a", "b"]);
});

test("a wait without a message ends empty after its time", async () => {
  const startedMs = performance.now();
  expect(await bodies(1)).toEqual([]);
  expect(performance.now() - startedMs).toBeGreaterThan(990);
});

test("a receiver is woken when a delay is over", async () => {
  await send("later", 1);
  expect(await bodies(20)).toEqual(["later"]);
});

test("a receiver is woken when a message is returned", async () => {
  await send("again");
  const [message] = await receive(0);
  const waiting = bodies(20);
  await waitersHaveCome();
  const { ReceiptHandle } = message ?? {};
  await sqs.send(
    new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
  );
  expect(await waiting).toEqual(["again"]);
});

test("a receiver that has disconnected takes no message", async () => {
  const hangUp = new AbortController();
  const lost = receive(20, hangUp.signal);
  await waitersHaveCome();
  hangUp.abort();
  expect((await errorOf(lost)).name).toBe("AbortError");
  // A new connection is needed after the abort, so the server has seen the old one close.
  await waitersHaveCome();
  await send("kept");
  expect(await bodies(5)).toEqual(["kept"]);
});

test("a waiting receiver fails when its queue is deleted", async () => {
  const waiting = errorOf(receive(20));
  await waitersHaveCome();
  await sqs.send(new DeleteQueueCommand({ QueueUrl }));
  expect((await waiting).name).toBe("QueueDoesNotExist");
});

test("closing the service ends all waits at once", async () => {
  const waiting = Promise.all([bodies(20), bodies(20)]);
  await waitersHaveCome();
  const startedMs = performance.now();
  await service.close();
  expect(await waiting).toEqual([[], []]);
  expect(performance.now() - startedMs).toBeLessThan(15_000);
});
