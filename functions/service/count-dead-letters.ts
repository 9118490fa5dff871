import { GetQueueAttributesCommand, GetQueueUrlCommand } from "@aws-sdk/client-sqs";
import { queues } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";
import { log } from "../runtime/log.ts";

const COUNT = "ApproximateNumberOfMessages";

let known: string | undefined;

/** Commands in the dead-letter queue; undefined when the queue does not answer, which is logged. */
export async function countDeadLetters(): Promise<number | undefined> {
  try {
    known ??= await findUrl();
    const { Attributes: attributes = {} } = await queues().send(
      new GetQueueAttributesCommand({ QueueUrl: known, AttributeNames: [COUNT] }),
    );
    return Number(attributes[COUNT] ?? Number.NaN);
  } catch (error) {
    log().warn({ err: error }, "the dead-letter queue could not be counted");
    return undefined;
  }
}

async function findUrl(): Promise<string> {
  const name = config().deadLetterQueueArn.split(":").at(-1);
  const { QueueUrl: url } = await queues().send(new GetQueueUrlCommand({ QueueName: name }));
  if (url === undefined) throw new Error(`Expected the queue ${name} to have a URL`);
  return url;
}
