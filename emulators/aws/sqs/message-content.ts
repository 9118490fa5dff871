/** Checks and digests of a message's content. */
import { createHash } from "node:crypto";
import { invalidParameter, SqsError } from "./errors.ts";
import type { Message, MessageAttribute } from "./input.ts";

export type MessageAttributes = Record<string, MessageAttribute>;

// What XML 1.0 allows: tab, line feed, carriage return and everything from the space on, but for
// surrogates without a partner and the two non-characters at the end of the basic plane.
const FORBIDDEN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

/** @throws SqsError if the body holds a forbidden character or an attribute is not whole. */
export function requireContent(message: Message): void {
  if (FORBIDDEN.test(message.MessageBody)) {
    throw new SqsError(
      "InvalidMessageContents",
      "The message contains characters outside the allowed set.",
    );
  }
  for (const [name, attribute] of Object.entries(message.MessageAttributes ?? {})) {
    const isBinary = attribute.DataType.startsWith("Binary");
    const other = isBinary ? attribute.StringValue : attribute.BinaryValue;
    const value = isBinary ? attribute.BinaryValue : attribute.StringValue;
    if (value !== undefined && other === undefined) continue;
    throw invalidParameter(name, `Must hold one value, of type ${attribute.DataType}.`);
  }
}

/** Bytes that count against a queue's MaximumMessageSize: the body and all of each attribute. */
export function messageBytes(message: Message): number {
  let bytes = Buffer.byteLength(message.MessageBody);
  for (const [name, attribute] of Object.entries(message.MessageAttributes ?? {})) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType);
    bytes += bytesOf(attribute).length;
  }
  return bytes;
}

export function md5(content: string | Buffer): string {
  return createHash("md5").update(content).digest("hex");
}

/**
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
 * ("Calculating the MD5 message digest for message attributes")
 *
 * @returns undefined when there is no attribute.
 */
export function md5OfAttributes(attributes: MessageAttributes | undefined): string | undefined {
  const names = Object.keys(attributes ?? {}).sort();
  if (!attributes || names.length === 0) return undefined;
  const parts = names.flatMap((name) => {
    const attribute = attributes[name];
    if (!attribute) return [];
    const transport = Buffer.from([attribute.DataType.startsWith("Binary") ? 2 : 1]);
    const { DataType } = attribute;
    return [
      sized(Buffer.from(name)),
      sized(Buffer.from(DataType)),
      transport,
      sized(bytesOf(attribute)),
    ];
  });
  return md5(Buffer.concat(parts));
}

/** @param wanted names, `All`, `.*`, or `prefix.*`. */
export function pickAttributes(attributes: MessageAttributes, wanted: readonly string[]) {
  const isWanted = (name: string) =>
    wanted.some((pattern) => {
      if (pattern === "All" || pattern === ".*" || pattern === name) return true;
      return pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -1));
    });
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => isWanted(name)));
}

function bytesOf({ BinaryValue, StringValue }: MessageAttribute): Buffer {
  if (BinaryValue !== undefined) return Buffer.from(BinaryValue, "base64");
  return Buffer.from(StringValue ?? "");
}

function sized(content: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(content.length);
  return Buffer.concat([size, content]);
}
