import { unknownOperation } from "../aws-json/aws-error.ts";
import { requireBatchBytes, runBatch } from "./batch.ts";
import { type SqsContext, urlOf } from "./context.ts";
import { changeVisibility, deleteMessage, receive, send } from "./delivery.ts";
import { queueDoesNotExist } from "./errors.ts";
import * as input from "./input.ts";
import {
  createQueue,
  getQueueAttributes,
  listQueues,
  setQueueAttributes,
} from "./queue-operations.ts";
import { ACCOUNT_ID } from "./queues.ts";

type Handler = (
  context: SqsContext,
  body: unknown,
  signal: AbortSignal,
) => object | Promise<object>;

const handlers: Record<string, Handler> = {
  ChangeMessageVisibility(context, body) {
    const request = input.parse(input.ChangeMessageVisibility, body);
    const queue = context.queues.get(request.QueueUrl);
    changeVisibility(context, queue, request);
    context.longPolls.wake(queue.id);
    return {};
  },
  ChangeMessageVisibilityBatch(context, body) {
    const request = input.parse(input.ChangeMessageVisibilityBatch, body);
    const output = runBatch(context, request, (queue, entry) => {
      changeVisibility(context, queue, input.parse(input.ChangeMessageVisibilityEntry, entry));
      return {};
    });
    context.longPolls.wake(context.queues.get(request.QueueUrl).id);
    return output;
  },
  CreateQueue: createQueue,
  DeleteMessage(context, body) {
    const request = input.parse(input.DeleteMessage, body);
    deleteMessage(context, context.queues.get(request.QueueUrl), request);
    return {};
  },
  DeleteMessageBatch: (context, body) =>
    runBatch(context, input.parse(input.DeleteMessageBatch, body), (queue, entry) => {
      deleteMessage(context, queue, input.parse(input.DeleteMessageEntry, entry));
      return {};
    }),
  DeleteQueue(context, body) {
    const queue = context.queues.get(input.parse(input.DeleteQueue, body).QueueUrl);
    context.queues.remove(queue);
    context.longPolls.fail(queue.id, queueDoesNotExist());
    return {};
  },
  GetQueueAttributes: getQueueAttributes,
  GetQueueUrl(context, body) {
    const { QueueName, QueueOwnerAWSAccountId = ACCOUNT_ID } = input.parse(input.GetQueueUrl, body);
    const isKnown = QueueOwnerAWSAccountId === ACCOUNT_ID && context.queues.find(QueueName);
    if (!isKnown) throw queueDoesNotExist();
    return { QueueUrl: urlOf(context, QueueName) };
  },
  ListQueues: listQueues,
  PurgeQueue(context, body) {
    context.messages.removeAll(context.queues.get(input.parse(input.PurgeQueue, body).QueueUrl));
    return {};
  },
  ReceiveMessage: (context, body, signal) =>
    receive(context, input.parse(input.ReceiveMessage, body), signal),
  SendMessage(context, body) {
    const { QueueUrl, ...message } = input.parse(input.SendMessage, body);
    const queue = context.queues.get(QueueUrl);
    const output = send(context, queue, message);
    context.longPolls.wake(queue.id);
    return output;
  },
  SendMessageBatch(context, body) {
    const request = input.parse(input.SendMessageBatch, body);
    requireBatchBytes(request.Entries);
    const output = runBatch(context, request, (queue, entry) => {
      const { Id: _, ...message } = input.parse(input.SendMessageEntry, entry);
      return send(context, queue, message);
    });
    context.longPolls.wake(context.queues.get(request.QueueUrl).id);
    return output;
  },
  SetQueueAttributes: setQueueAttributes,
};

/** @throws AwsError as SQS would, or UnknownOperationException for what is not supported. */
export async function answer(
  context: SqsContext,
  operation: string,
  body: unknown,
  signal: AbortSignal,
): Promise<object> {
  const handler = Object.hasOwn(handlers, operation) ? handlers[operation] : undefined;
  if (!handler) throw unknownOperation(`${operation} is not supported by the local SQS`);
  return handler(context, body, signal);
}
