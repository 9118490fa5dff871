import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { Problem } from "./problem.ts";

/** Longest request body, bytes. */
export const BODY_BYTES_MAX = 1024 * 1024;

/** Methods whose body is read. */
const BODY_METHODS = new Set(["POST", "PATCH"]);

/** Refuses a longer body before it is parsed. */
export const limitBody: MiddlewareHandler = bodyLimit({
  maxSize: BODY_BYTES_MAX,
  onError: () => {
    throw new Problem("body-too-large", `A body has at most ${BODY_BYTES_MAX} bytes`);
  },
});

/** Refuses a body that is not JSON before it is parsed. */
export const requireJson: MiddlewareHandler = async (context, next) => {
  const type = context.req.header("content-type") ?? "";
  if (BODY_METHODS.has(context.req.method) && !/^application\/json *(;|$)/i.test(type)) {
    const length = context.req.header("content-length");
    const empty = context.req.raw.body === null || length === "0";
    if (type !== "" || !empty) {
      throw new Problem("not-json", `Expected content type application/json, got "${type}"`);
    }
  }
  await next();
};
