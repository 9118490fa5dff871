import * as z from "zod";
import { invalidParameter, SqsError } from "./errors.ts";

/** Attributes that can be set on a queue, with SQS's ranges and defaults. Values are texts. */
const ranges = {
  DelaySeconds: { min: 0, max: 900, default: 0 },
  MaximumMessageSize: { min: 1_024, max: 1_048_576, default: 1_048_576 },
  MessageRetentionPeriod: { min: 60, max: 1_209_600, default: 345_600 },
  ReceiveMessageWaitTimeSeconds: { min: 0, max: 20, default: 0 },
  VisibilityTimeout: { min: 0, max: 43_200, default: 30 },
} as const;

type NumberName = keyof typeof ranges;

export type QueueAttributes = Record<NumberName, number> & {
  /** The text as given; see {@link redriveOf}. */
  RedrivePolicy?: string;
};

const RedrivePolicy = z.strictObject({
  deadLetterTargetArn: z.string(),
  maxReceiveCount: z.coerce.number().int().min(1).max(1_000).default(10),
});
export type RedrivePolicy = z.infer<typeof RedrivePolicy>;

export const defaultAttributes: QueueAttributes = {
  DelaySeconds: ranges.DelaySeconds.default,
  MaximumMessageSize: ranges.MaximumMessageSize.default,
  MessageRetentionPeriod: ranges.MessageRetentionPeriod.default,
  ReceiveMessageWaitTimeSeconds: ranges.ReceiveMessageWaitTimeSeconds.default,
  VisibilityTimeout: ranges.VisibilityTimeout.default,
};

/**
 * @returns `current` with what `changes` sets; an empty RedrivePolicy removes it.
 * @throws SqsError for an attribute that is unknown, not supported or out of range.
 */
export function withAttributes(
  current: QueueAttributes,
  changes: Record<string, string>,
): QueueAttributes {
  const attributes = { ...current };
  for (const [name, value] of Object.entries(changes)) {
    if (name in ranges) attributes[name as NumberName] = parseNumber(name as NumberName, value);
    else if (name !== "RedrivePolicy") throw unsupported(name);
    else if (value === "") delete attributes.RedrivePolicy;
    else attributes.RedrivePolicy = JSON.stringify(parseRedrivePolicy(value));
  }
  return attributes;
}

export function redriveOf({ RedrivePolicy }: QueueAttributes): RedrivePolicy | undefined {
  return RedrivePolicy === undefined ? undefined : parseRedrivePolicy(RedrivePolicy);
}

export function toText(attributes: QueueAttributes): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, `${value}`]));
}

function unsupported(name: string): SqsError {
  const message = `The attribute ${name} is unknown or not supported by the local SQS.`;
  return new SqsError("InvalidAttributeName", message);
}

function parseNumber(name: NumberName, text: string): number {
  const { min, max } = ranges[name];
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const rule = `Expected a whole number from ${min} to ${max}, got ${text}`;
  throw new SqsError("InvalidAttributeValue", `Invalid value for the parameter ${name}. ${rule}.`);
}

function parseRedrivePolicy(text: string): RedrivePolicy {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    throw invalidParameter("RedrivePolicy", "Redrive policy is not a valid JSON map.");
  }
  const result = RedrivePolicy.safeParse(policy);
  if (result.success) return result.data;
  throw invalidParameter("RedrivePolicy", z.prettifyError(result.error));
}
