import type { DatabaseSync } from "node:sqlite";
import type { LongPolls } from "./long-polls.ts";
import type { Messages } from "./messages.ts";
import { ACCOUNT_ID, type Queue, type Queues } from "./queues.ts";

/** State that the operations of one local SQS share. */
export type SqsContext = {
  database: DatabaseSync;
  queues: Queues;
  messages: Messages;
  longPolls: LongPolls;
  region: string;
  /** Set once the server listens. */
  endpoint: string;
  /** Milliseconds since 1970. */
  now: () => number;
};

/** @returns undefined once the dead-letter queue has been deleted. */
export function deadLetterQueueOf(context: SqsContext, arn: string): Queue | undefined {
  const name = arn.slice(arn.lastIndexOf(":") + 1);
  return arn === arnOf(context, name) ? context.queues.find(name) : undefined;
}

export function arnOf({ region }: SqsContext, name: string): string {
  return `arn:aws:sqs:${region}:${ACCOUNT_ID}:${name}`;
}

export function urlOf({ endpoint }: SqsContext, name: string): string {
  return `${endpoint}/${ACCOUNT_ID}/${name}`;
}
