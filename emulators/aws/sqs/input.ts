/** Input of each operation. A member that is not listed is refused, never ignored. */
import * as z from "zod";
import { invalidParameter, SqsError } from "./errors.ts";

const QueueUrl = z.string();
const ReceiptHandle = z.string();
const DelaySeconds = z.int().min(0).max(900);
const VisibilityTimeout = z.int().min(0).max(43_200);
const Names = z.array(z.string());
const Attributes = z.record(z.string(), z.string());

export const MessageAttribute = z.strictObject({
  DataType: z.string().regex(/^(String|Number|Binary)(\..+)?$/),
  StringValue: z.string().min(1).optional(),
  BinaryValue: z.base64().min(1).optional(),
});
export type MessageAttribute = z.infer<typeof MessageAttribute>;

const Message = z.strictObject({
  MessageBody: z.string().min(1),
  DelaySeconds: DelaySeconds.optional(),
  MessageAttributes: z
    .record(z.string().regex(/^[\w.-]{1,256}$/), MessageAttribute)
    .refine((attributes) => Object.keys(attributes).length <= 10, "Must have at most 10 entries.")
    .optional(),
});
export type Message = z.infer<typeof Message>;

const Visibility = z.strictObject({ ReceiptHandle, VisibilityTimeout });
// Entries are checked one by one, since each may fail on its own.
const Batch = z.strictObject({ QueueUrl, Entries: z.array(z.looseObject({ Id: z.string() })) });

export const ChangeMessageVisibility = Visibility.extend({ QueueUrl });
export const ChangeMessageVisibilityBatch = Batch;
export const ChangeMessageVisibilityEntry = Visibility.extend({ Id: z.string() });
export const CreateQueue = z.strictObject({
  QueueName: z.string(),
  Attributes: Attributes.optional(),
});
export const DeleteMessage = z.strictObject({ QueueUrl, ReceiptHandle });
export const DeleteMessageBatch = Batch;
export const DeleteMessageEntry = z.strictObject({ Id: z.string(), ReceiptHandle });
export const DeleteQueue = z.strictObject({ QueueUrl });
export const GetQueueAttributes = z.strictObject({ QueueUrl, AttributeNames: Names.optional() });
export const GetQueueUrl = z.strictObject({
  QueueName: z.string(),
  QueueOwnerAWSAccountId: z.string().optional(),
});
export const ListQueues = z.strictObject({
  QueueNamePrefix: z.string().optional(),
  MaxResults: z.int().min(1).max(1000).optional(),
  NextToken: z.string().optional(),
});
export const PurgeQueue = z.strictObject({ QueueUrl });
export const ReceiveMessage = z.strictObject({
  QueueUrl,
  /** The deprecated name of MessageSystemAttributeNames. */
  AttributeNames: Names.optional(),
  MessageSystemAttributeNames: Names.optional(),
  MessageAttributeNames: Names.optional(),
  MaxNumberOfMessages: z.int().min(1).max(10).default(1),
  VisibilityTimeout: VisibilityTimeout.optional(),
  WaitTimeSeconds: z.int().min(0).max(20).optional(),
});
export type ReceiveMessage = z.infer<typeof ReceiveMessage>;
export const SendMessage = Message.extend({ QueueUrl });
export const SendMessageBatch = Batch;
export const SendMessageEntry = Message.extend({ Id: z.string() });
export const SetQueueAttributes = z.strictObject({ QueueUrl, Attributes });

/** @throws SqsError naming the first member that is missing, wrong or not supported. */
export function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue?.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => `\`${key}\``).join(", ");
    throw new SqsError("UnsupportedOperation", `${names} is not supported by the local SQS.`);
  }
  const name = issue?.path.join(".") ?? "";
  const isMissing = issue !== undefined && valueAt(input, issue.path) === undefined;
  if (!isMissing) throw invalidParameter(name, `${issue?.message}.`);
  throw new SqsError("MissingParameter", `The request must contain the parameter ${name}.`);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input as Record<PropertyKey, unknown> | undefined;
  for (const name of path) value = value?.[name] as typeof value;
  return value;
}
