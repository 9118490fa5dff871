import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { Problem } from "./problem.ts";

/** Longest request body, bytes. */
export const BODY_BYTES_MAX = 1024 * 1024;

/** Bodies are bounded and JSON; anything else is refused before it is parsed. */
export const limitBody: MiddlewareHandler = bodyLimit({
  maxSize: BODY_BYTES_MAX,
  onError: () => {
    throw new Problem(413, "body-too-large", `A body has at most ${BODY_BYTES_MAX} bytes`);
  },
});

export const requireJson: MiddlewareHandler = async (context, next) => {
  const type = context.req.header("content-type") ?? "";
  if (context.req.method === "POST" && !/^application\/json *(;|$)/i.test(type)) {
    const length = context.req.header("content-length");
    const empty = context.req.raw.body === null || length === "0";
    if (type !== "" || !empty) {
      throw new Problem(415, "not-json", `Expected content type application/json, got "${type}"`);
    }
  }
  await next();
};
