import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { Problem } from "./problem.ts";
import { requireStorable } from "./storable.ts";

/** Methods whose body is read. */
const BODY_METHODS = new Set(["POST", "PATCH"]);

/** Refuses a longer body before it is parsed. */
export function limitBody(bytesMax: number): MiddlewareHandler {
  return bodyLimit({
    maxSize: bytesMax,
    onError: () => {
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
