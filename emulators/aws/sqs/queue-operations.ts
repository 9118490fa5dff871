import { arnOf, deadLetterQueueOf, type SqsContext, urlOf } from "./context.ts";
import { invalidParameter, SqsError } from "./errors.ts";
import * as input from "./input.ts";
import {
  defaultAttributes,
  type QueueAttributes,
  redriveOf,
  toText,
  withAttributes,
} from "./queue-attributes.ts";
import { requireQueueName } from "./queues.ts";

export function createQueue(context: SqsContext, body: unknown): object {
  const { QueueName: name, Attributes = {} } = input.parse(input.CreateQueue, body);
  requireQueueName(name);
  const existing = context.queues.find(name);
  const attributes = withAttributes(existing?.attributes ?? defaultAttributes, Attributes);
  if (!existing) {
    requireDeadLetterQueue(context, attributes);
    context.queues.create(name, attributes);
  } else if (JSON.stringify(toText(attributes)) !== JSON.stringify(toText(existing.attributes))) {
    const message =
      "A queue already exists with the same name and a different value for attributes.";
    throw new SqsError("QueueNameExists", message);
  }
  return { QueueUrl: urlOf(context, name) };
}

function requireDeadLetterQueue(context: SqsContext, attributes: QueueAttributes): void {
  const redrive = redriveOf(attributes);
  if (!redrive || deadLetterQueueOf(context, redrive.deadLetterTargetArn)) return;
  throw invalidParameter("RedrivePolicy", "Dead letter target does not exist.");
}

export function setQueueAttributes(context: SqsContext, body: unknown): object {
  const { QueueUrl, Attributes } = input.parse(input.SetQueueAttributes, body);
  const queue = context.queues.get(QueueUrl);
  const attributes = withAttributes(queue.attributes, Attributes);
  requireDeadLetterQueue(context, attributes);
  context.queues.setAttributes(queue, attributes);
  return {};
}

export function getQueueAttributes(context: SqsContext, body: unknown): object {
  const { QueueUrl, AttributeNames = [] } = input.parse(input.GetQueueAttributes, body);
  const queue = context.queues.get(QueueUrl);
  context.messages.removeExpired(queue);
  const counts = context.messages.counts(queue);
  const all: Record<string, string | undefined> = {
    RedrivePolicy: undefined,
    ...toText(queue.attributes),
    ApproximateNumberOfMessages: `${counts.visible}`,
    ApproximateNumberOfMessagesDelayed: `${counts.delayed}`,
    ApproximateNumberOfMessagesNotVisible: `${counts.inFlight}`,
    CreatedTimestamp: `${queue.createdSeconds}`,
    LastModifiedTimestamp: `${queue.modifiedSeconds}`,
    QueueArn: arnOf(context, queue.name),
  };
  const unknown = AttributeNames.find((name) => name !== "All" && !Object.hasOwn(all, name));
  if (unknown !== undefined) {
    const message = `The attribute ${unknown} is unknown or not supported by the local SQS.`;
    throw new SqsError("InvalidAttributeName", message);
  }
  if (AttributeNames.includes("All")) return { Attributes: all };
  return { Attributes: Object.fromEntries(AttributeNames.map((name) => [name, all[name]])) };
}

const LISTED_MAX = 1_000;

export function listQueues(context: SqsContext, body: unknown): object {
  const request = input.parse(input.ListQueues, body);
  const { QueueNamePrefix = "", MaxResults, NextToken = "" } = request;
  const limit = MaxResults ?? LISTED_MAX;
  const after = Buffer.from(NextToken, "base64url").toString();
  const names = context.queues.names(QueueNamePrefix, after, limit + 1);
  const QueueUrls = names.slice(0, limit).map((name) => urlOf(context, name));
  const hasMore = MaxResults !== undefined && names.length > limit;
  if (!hasMore) return { QueueUrls };
  return { QueueUrls, NextToken: Buffer.from(names[limit - 1] ?? "").toString("base64url") };
}
