import { inTransaction } from "../sqlite/open-database.ts";
import type { SqsContext } from "./context.ts";
import { SqsError } from "./errors.ts";
import * as input from "./input.ts";
import { messageBytes } from "./message-content.ts";
import type { Queue } from "./queues.ts";

const BATCH_BYTES_MAX = 1_048_576;

export type BatchRequest = {
  QueueUrl: string;
  Entries: { Id: string; [name: string]: unknown }[];
};

/** Runs each entry on its own; one that fails is reported and does not stop the others. */
export function runBatch(
  { database, queues }: SqsContext,
  { QueueUrl, Entries }: BatchRequest,
  run: (queue: Queue, entry: unknown) => object,
): object {
  const queue = queues.get(QueueUrl);
  requireBatch(Entries);
  const Successful: object[] = [];
  const Failed: object[] = [];
  inTransaction(database, () => {
    for (const entry of Entries) {
      const { Id } = entry;
      try {
        Successful.push({ Id, ...run(queue, entry) });
      } catch (error) {
        if (!(error instanceof SqsError)) throw error;
        Failed.push({ Id, SenderFault: true, Code: error.code, Message: error.message });
      }
    }
  });
  return { Successful, Failed };
}

function requireBatch(entries: BatchRequest["Entries"]): void {
  if (entries.length === 0) {
    throw new SqsError("EmptyBatchRequest", "There should be at least one entry in the request.");
  }
  if (entries.length > 10) {
    const message = `Maximum number of entries per request are 10. You have sent ${entries.length}.`;
    throw new SqsError("TooManyEntriesInBatchRequest", message);
  }
  const ids = new Set<string>();
  for (const { Id } of entries) {
    if (!/^[\w-]{1,80}$/.test(Id)) {
      const message =
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
      throw new SqsError("InvalidBatchEntryId", message);
    }
    if (ids.has(Id)) throw new SqsError("BatchEntryIdsNotDistinct", `Id ${Id} repeated.`);
    ids.add(Id);
  }
}

/** Checks the limit on all messages of a batch together. */
export function requireBatchBytes(entries: BatchRequest["Entries"]): void {
  const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  if (bytes <= BATCH_BYTES_MAX) return;
  const message = `Batch requests cannot be longer than ${BATCH_BYTES_MAX} bytes. You have sent ${bytes} bytes.`;
  throw new SqsError("BatchRequestTooLong", message);
}

function entryBytes(entry: unknown): number {
  const message = input.SendMessageEntry.safeParse(entry);
  // An entry that does not parse is not sent; it is reported on its own.
  return message.success ? messageBytes(message.data) : 0;
}
