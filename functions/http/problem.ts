import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import { log } from "../runtime/log.ts";

export const FieldError = z.object({
  /** Path of the field, e.g. `definition.devices[2].driver`. */
  field: z.string(),
  rule: z.string(),
  expected: z.string().optional(),
  received: z.string().optional(),
  /** What to do about it, where that is not plain from the rule. */
  cure: z.string().optional(),
});
export type FieldError = z.infer<typeof FieldError>;

/** RFC 9457. `code` is for programs, `title` and `detail` are for people. */
export const ProblemBody = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(FieldError).optional(),
});

const titles = {
  400: "Bad request",
  401: "Unauthorized",
  404: "Not found",
  409: "Conflict",
  413: "Content too large",
  415: "Unsupported media type",
  422: "Unprocessable content",
  500: "Internal error",
  503: "Service unavailable",
  504: "Gateway timeout",
} as const;
type Status = keyof typeof titles;

/** What a request is refused with; the only way to answer anything but success. */
export class Problem extends Error {
  override name = "Problem";
  readonly status: Status;
  readonly code: string;
  readonly extra: Record<string, unknown>;

  constructor(status: Status, code: string, detail: string, extra: Record<string, unknown> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.extra = extra;
  }
}

/** Chooses status and body of every failure; for Hono's `onError`. */
export function answerError(error: Error, context: Context): Response {
  if (error instanceof Problem) return answer(error, context);
  if (error instanceof HTTPException && error.status === 400) {
    return answer(new Problem(400, "malformed-json", "The body is not valid JSON"), context);
  }
  log().error({ err: error, path: context.req.path }, "request failed");
  return answer(new Problem(500, "internal", "The request failed; it was logged"), context);
}

export function answerNotFound(context: Context): Response {
  const detail = `There is no ${context.req.method} ${context.req.path}`;
  return answer(new Problem(404, "route-not-found", detail), context);
}

function answer(problem: Problem, context: Context): Response {
  const body = {
    type: `urn:switchyard:problem:${problem.code}`,
    title: titles[problem.status],
    status: problem.status,
    detail: problem.message,
    instance: context.req.path,
    code: problem.code,
    ...problem.extra,
  };
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (problem.status === 401) headers["www-authenticate"] = "Bearer";
  return context.body(JSON.stringify(body), problem.status, headers);
}
