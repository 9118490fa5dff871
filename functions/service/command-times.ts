import type { Verb } from "../../core/protocol/command.ts";

/** How long a command may wait in its queue before it must not be started any more, in seconds. */
const START_SECONDS = 60;
const OBSERVE_SECONDS = 15;

export function expirySecondsOf(verb: Verb): number {
  return verb === "migration.observe" ? OBSERVE_SECONDS : START_SECONDS;
}

/**
 * A message that was received and not deleted is delivered again after this. The rule: a command that
 * a broken poll has swallowed is delivered twice more before the shortest expiry of all commands.
 */
export const VISIBILITY_SECONDS = Math.floor(Math.min(START_SECONDS, OBSERVE_SECONDS) / 3);

/** Longest time in which an agent answers a command, with a reserve, in seconds. */
const ANSWER_SECONDS = 150;

/** A command that was received so often and never deleted goes to the dead-letter queue. */
const RECEIVES_MAX = Math.ceil(ANSWER_SECONDS / VISIBILITY_SECONDS);

/** Longest life of a command in the queue, in seconds; its own expiry is far earlier. */
const RETENTION_SECONDS = 900;

/** Attributes of a host's queue, as SQS's CreateQueue takes them. */
export function hostQueueAttributes(deadLetterQueueArn: string): Record<string, string> {
  return {
    MessageRetentionPeriod: String(RETENTION_SECONDS),
    VisibilityTimeout: String(VISIBILITY_SECONDS),
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: deadLetterQueueArn,
      maxReceiveCount: RECEIVES_MAX,
    }),
  };
}
