import { CreateQueueCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { hostQueueAttributes } from "../../functions/service/command-times.ts";
import type { TableItem } from "./item-text.ts";

export type Queues = {
  readonly sqs: SQSClient;
  /** Of the hosts' queues. */
  readonly prefix: string;
  readonly deadLetterQueueArn: string;
};

/** Makes each host its queue, and names that in its record; other items stay as they are. */
export async function* withQueues(
  items: AsyncIterable<TableItem>,
  { sqs, prefix, deadLetterQueueArn }: Queues,
): AsyncGenerator<TableItem> {
  for await (const item of items) {
    const host = hostWithQueue(item);
    if (host === undefined) {
      yield item;
      continue;
    }
    const { QueueUrl = "" } = await sqs.send(
      new CreateQueueCommand({
        QueueName: `${prefix}${host}`,
        Attributes: hostQueueAttributes(deadLetterQueueArn),
      }),
    );
    yield { ...item, queueUrl: { S: QueueUrl } };
  }
}

/** Undefined for a host that is retired: it has none. */
function hostWithQueue({ pk, sk, queueUrl, state }: TableItem): string | undefined {
  if (sk?.S !== "META" || queueUrl === undefined || state?.S === "retired") return undefined;
  const [kind, id] = pk?.S?.split("#") ?? [];
  return kind === "HOST" ? id : undefined;
}
