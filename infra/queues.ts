import { deadLetterAttributes } from "../deployment/queues.ts";
import { arnOf, names } from "./settings.ts";

/**
 * Takes commands that no agent deletes. The hosts' own queues are made when a host is added, by the
 * function `api`: their names begin with the stage's prefix.
 */
export const deadLetterQueue = new aws.sqs.Queue("DeadLetters", {
  name: names.deadLetterQueue,
  messageRetentionSeconds: Number(deadLetterAttributes.MessageRetentionPeriod),
  sqsManagedSseEnabled: true,
  redriveAllowPolicy: $jsonStringify({ redrivePermission: "allowAll" }),
});

/** All hosts' queues of this stage, and nothing else. */
export const hostQueuesArn = arnOf("sqs", `${names.hostQueuePrefix}*`);
