import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { Problem } from "./problem.ts";
import { requireStorable } from "./storable.ts";

/** Methods whose body is read. */
const BODY_METHODS = new Set(["POST", "PUT", "PATCH"]);

/** Of a body that is refused; as much as a gateway lets through (Amazon API Gateway: 10 MB). */
const DISCARDED_BYTES_MAX = 16 * 2 ** 20;

/** Refuses a longer body before it is parsed. */
export function limitBody(bytesMax: number): MiddlewareHandler {
  return bodyLimit({
    maxSize: bytesMax,
    onError: async (context) => {
      await discard(context.req.raw.body);
      throw new Problem("body-too-large", `A body has at most ${bytesMax} bytes`);
    },
  });
}

/**
 * Refuses a body that is not JSON, and JSON that the table could not hold, before a schema sees it:
 * a schema would follow a deep value to the end of the stack.
 */
export const requireJson: MiddlewareHandler = async (context, next) => {
  if (BODY_METHODS.has(context.req.method)) {
    const type = context.req.header("content-type") ?? "";
    const text = await context.req.text();
    const isJson = /^application\/json *(;|$)/i.test(type);
    if (!isJson && (type !== "" || text !== "")) {
      throw new Problem("not-json", `Expected content type application/json, got "${type}"`);
    }
    if (text !== "") requireStorable(parse(text));
  }
  await next();
};

/** @throws Problem `malformed-json` */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("malformed-json", "The body is not valid JSON");
  }
}

/**
 * Reads the rest of a body: a server that leaves it unread delays the next request on the connection,
 * and closes the connection under it.
 */
async function discard(body: ReadableStream<Uint8Array> | null): Promise<void> {
  if (body === null || body.locked) return;
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > DISCARDED_BYTES_MAX) return;
  }
}
