import type { IncomingMessage } from "node:http";

/** The body is longer than the service takes. */
export class BodyTooLargeError extends Error {
  override name = "BodyTooLargeError";
}

/** A body longer than this is not even read to its end. */
const DISCARDED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reads a request's body as UTF-8 text. A body that is too long is read to its end and dropped: a
 * client reads no answer while it still writes.
 *
 * @throws BodyTooLargeError if it is longer than `bytesMax`
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    if (bytes > DISCARDED_BYTES_MAX) break;
  }
  if (bytes <= bytesMax) return Buffer.concat(chunks).toString("utf8");
  throw new BodyTooLargeError(`Request must be smaller than ${bytesMax} bytes`);
}
