import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageCommand,
  type SendMessageCommandInput,
  SetQueueAttributesCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach } from "vitest";
import { sqsClient } from "../testing/clients.ts";
import { type Sqs, startSqs } from "./sqs.ts";

/** The time that the service sees, the client, and the URL of one queue; new for each test. */
export let nowMs: number;
export let sqs: SQSClient;
export let QueueUrl: string;

/** Starts a service before each test of the calling file, and closes it afterwards. */
export function useSqs(): void {
  let service: Sqs;
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
}

export function pass(ms: number): void {
  nowMs += ms;
}

export async function createQueue(QueueName: string, Attributes?: Record<string, string>) {
  const created = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  return created.QueueUrl ?? "";
}

export const send = (MessageBody: string, rest: Partial<SendMessageCommandInput> = {}) =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, ...rest }));
export const receive = async (rest: Partial<ReceiveMessageCommandInput> = {}) => {
  const command = new ReceiveMessageCommand({
    QueueUrl,
    MessageSystemAttributeNames: ["All"],
    ...rest,
  });
  return (await sqs.send(command)).Messages ?? [];
};
export const bodies = async (rest: Partial<ReceiveMessageCommandInput> = {}) =>
  (await receive({ MaxNumberOfMessages: 10, ...rest })).map((message) => message.Body);
export const attributes = async (...AttributeNames: string[]) => {
  const command = new GetQueueAttributesCommand({
    QueueUrl,
    AttributeNames: AttributeNames as "All"[],
  });
  return (await sqs.send(command)).Attributes ?? {};
};
export const setAttributes = (Attributes: Record<string, string>) =>
  sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
export const remove = (ReceiptHandle: string | undefined) =>
  sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
export const changeVisibility = (ReceiptHandle: string | undefined, VisibilityTimeout: number) =>
  sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }));
