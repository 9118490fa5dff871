/** Days for which a command that no agent has deleted is kept, to be looked at: SQS's longest. */
const DEAD_LETTER_DAYS = 14;

/** Attributes of the dead-letter queue, as SQS's CreateQueue takes them. */
export const deadLetterAttributes = {
  MessageRetentionPeriod: String(DEAD_LETTER_DAYS * 24 * 3600),
};
