/** Operations on a message: send, receive, return, delete, move to the dead-letter queue. */
import { inTransaction } from "../sqlite/open-database.ts";
import { arnOf, deadLetterQueueOf, type SqsContext } from "./context.ts";
import { invalidParameter, SqsError } from "./errors.ts";
import type { Message, ReceiveMessage } from "./input.ts";
import {
  md5,
  md5OfAttributes,
  messageBytes,
  pickAttributes,
  requireContent,
} from "./message-content.ts";
import type { StoredMessage } from "./messages.ts";
import { redriveOf } from "./queue-attributes.ts";
import { ACCOUNT_ID, type Queue } from "./queues.ts";

// SQS's limit on the time in flight after a receive: twelve hours, whatever is asked for.
const IN_FLIGHT_MS_MAX = 43_200_000;

/** The caller must wake waiting receivers once the message is committed. */
export function send({ messages }: SqsContext, queue: Queue, message: Message): object {
  requireContent(message);
  const bytesMax = queue.attributes.MaximumMessageSize;
  if (messageBytes(message) > bytesMax) {
    throw invalidParameter("MessageBody", `Message must be shorter than ${bytesMax} bytes.`);
  }
  const delaySeconds = message.DelaySeconds ?? queue.attributes.DelaySeconds;
  const attributes = message.MessageAttributes ?? {};
  const delayMs = delaySeconds * 1000;
  messages.removeExpired(queue);
  const MessageId = messages.add(queue, { body: message.MessageBody, attributes, delayMs });
  return {
    MessageId,
    MD5OfMessageBody: md5(message.MessageBody),
    MD5OfMessageAttributes: md5OfAttributes(attributes),
  };
}

/** Waits for a message if there is none, up to the request's or the queue's wait time. */
export async function receive(
  context: SqsContext,
  request: ReceiveMessage,
  signal: AbortSignal,
): Promise<object> {
  const { queues, longPolls } = context;
  const queue = queues.get(request.QueueUrl);
  requireSystemAttributeNames(request);
  const waitSeconds = request.WaitTimeSeconds ?? queue.attributes.ReceiveMessageWaitTimeSeconds;
  const found = await longPolls.wait({
    queueId: queue.id,
    attempt: () => take(context, request),
    waitMs: waitSeconds * 1000,
    signal,
  });
  if (found.length === 0) return {};
  return { Messages: found.map((message) => toOutput(queue, message, request)) };
}

function take(context: SqsContext, request: ReceiveMessage): StoredMessage[] {
  const { database, messages, queues, longPolls } = context;
  const queue = queues.get(request.QueueUrl);
  const redrive = redriveOf(queue.attributes);
  const deadLetters = redrive && deadLetterQueueOf(context, redrive.deadLetterTargetArn);
  const visibilityMs = (request.VisibilityTimeout ?? queue.attributes.VisibilityTimeout) * 1000;
  let moved = false;

  const taken = inTransaction(database, () => {
    messages.removeExpired(queue);
    const found: StoredMessage[] = [];
    const seen = new Set<number>();
    while (found.length < request.MaxNumberOfMessages) {
      const next = messages.nextVisible(queue);
      // With a visibility timeout of zero a message is visible again as soon as it is received.
      if (!next || seen.has(next.sequence)) break;
      if (redrive && deadLetters && next.receiveCount >= redrive.maxReceiveCount) {
        messages.moveTo(deadLetters, next, arnOf(context, queue.name));
        moved = true;
        continue;
      }
      seen.add(next.sequence);
      const received = messages.receive(next, visibilityMs);
      if (received) found.push(received);
    }
    return found;
  });
  if (moved && deadLetters) longPolls.wake(deadLetters.id);
  return taken;
}

export function deleteMessage(
  { messages }: SqsContext,
  queue: Queue,
  { ReceiptHandle }: { ReceiptHandle: string },
): void {
  const { sequence, receipt } = readHandle(queue, ReceiptHandle);
  const message = messages.find(queue, sequence);
  // For the handle of an earlier receive, or of a message that no longer exists, SQS reports
  // success and deletes nothing.
  if (message?.receipt === receipt) messages.remove(message);
}

/** The caller must wake waiting receivers: the message may be visible now. */
export function changeVisibility(
  { messages, now }: SqsContext,
  queue: Queue,
  request: { ReceiptHandle: string; VisibilityTimeout: number },
): void {
  const { sequence, receipt } = readHandle(queue, request.ReceiptHandle);
  const message = messages.find(queue, sequence);
  if (message?.receipt !== receipt) {
    const reason = "Message does not exist or is not available for visibility timeout change.";
    throw invalidParameter("ReceiptHandle", reason);
  }
  if (message.visibleMs <= now()) {
    throw new SqsError("MessageNotInflight", "The message referred to isn't in flight.");
  }
  const visibilityMs = request.VisibilityTimeout * 1000;
  if (now() + visibilityMs > (message.receivedMs ?? 0) + IN_FLIGHT_MS_MAX) {
    const reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
    throw invalidParameter("VisibilityTimeout", reason);
  }
  messages.setVisibility(message, visibilityMs);
}

/** Names the queue, the message and the receive; the same before and after a restart. */
function writeHandle(queue: Queue, { sequence, receipt }: StoredMessage): string {
  return Buffer.from(`${queue.id}.${sequence}.${receipt}`).toString("base64url");
}

function readHandle(queue: Queue, handle: string): { sequence: number; receipt: string } {
  const [queueId, sequence, receipt] = Buffer.from(handle, "base64url").toString().split(".");
  if (queueId === `${queue.id}` && /^\d+$/.test(sequence ?? "") && receipt) {
    return { sequence: Number(sequence), receipt };
  }
  const message = "The input receipt handle is invalid.";
  throw new SqsError("ReceiptHandleIsInvalid", message);
}

const systemAttributes: Record<string, (message: StoredMessage) => string | undefined> = {
  ApproximateFirstReceiveTimestamp: (message) => `${message.firstReceivedMs}`,
  ApproximateReceiveCount: (message) => `${message.receiveCount}`,
  DeadLetterQueueSourceArn: (message) => message.deadLetterSource ?? undefined,
  SenderId: () => ACCOUNT_ID,
  SentTimestamp: (message) => `${message.sentMs}`,
};

function requireSystemAttributeNames(request: ReceiveMessage): void {
  const unknown = systemNames(request).find(
    (name) => name !== "All" && !Object.hasOwn(systemAttributes, name),
  );
  if (unknown === undefined) return;
  const message = `The attribute ${unknown} is unknown or not supported by the local SQS.`;
  throw new SqsError("InvalidAttributeName", message);
}

function systemNames(request: ReceiveMessage): string[] {
  return [...(request.AttributeNames ?? []), ...(request.MessageSystemAttributeNames ?? [])];
}

function toOutput(queue: Queue, message: StoredMessage, request: ReceiveMessage): object {
  const wanted = systemNames(request);
  const names = wanted.includes("All") ? Object.keys(systemAttributes) : wanted;
  const Attributes = Object.fromEntries(
    names.map((name) => [name, systemAttributes[name]?.(message)]),
  );
  const MessageAttributes = pickAttributes(message.attributes, request.MessageAttributeNames ?? []);
  const hasAttributes = Object.keys(MessageAttributes).length > 0;
  return {
    MessageId: message.id,
    ReceiptHandle: writeHandle(queue, message),
    Body: message.body,
    MD5OfBody: md5(message.body),
    ...(names.length > 0 && { Attributes }),
    ...(hasAttributes && {
      MessageAttributes,
      MD5OfMessageAttributes: md5OfAttributes(MessageAttributes),
    }),
  };
}
