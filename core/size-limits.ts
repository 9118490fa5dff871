/**
 * Sizes that have to fit each other. A VM's definition is stored in one DynamoDB item (at most
 * 409,600 bytes), sent in one SQS message (256 KiB in some regions), and its parts become arguments
 * of QEMU (Linux, execve(2): 128 KiB for one argument, MAX_ARG_STRLEN).
 */
const KIB = 1024;

/**
 * Longest request body of an operator, bytes. As a DynamoDB item JSON grows by half at most (a list
 * of numbers of one digit: two bytes each in JSON, three in the item), so it fits with its record.
 */
export const OPERATOR_BODY_BYTES_MAX = 256 * KIB;

/** Longest request body of an agent, bytes. Its parts are stored in items of their own. */
export const AGENT_BODY_BYTES_MAX = 1024 * KIB;

/** Longest definition of a VM as JSON, bytes. */
export const DEFINITION_BYTES_MAX = 192 * KIB;

/** Longest device, block device or object of a definition as JSON, bytes. */
export const DEFINITION_PART_BYTES_MAX = 64 * KIB;

/** All webhooks together as JSON, bytes: they are one item, with room for what is noted of them. */
export const WEBHOOKS_BYTES_MAX = 360 * KIB;

/** Bytes of a value as JSON in UTF-8. */
export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
