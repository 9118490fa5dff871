import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import * as z from "zod";
import { log } from "../runtime/log.ts";
import { isTableFailure, isTooLarge } from "../runtime/table-failure.ts";
import { FieldError } from "./field-error.ts";
import {
  type ProblemCode,
  type ProblemStatus,
  problemKinds,
  problemType,
  statusTitles,
} from "./problem-codes.ts";

export const PROBLEM_MEDIA_TYPE = "application/problem+json";

const TABLE_UNREACHABLE = "The table cannot be reached, or cannot write; try again";

const TOO_LARGE =
  "With this, a record would have more than the 400 KB that are stored of one: nothing was changed";

/** RFC 9457. `code` is for programs, `title` and `detail` are for people. */
export const ProblemBody = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  /** Path of the request. */
  instance: z.string(),
  code: z.string(),
  errors: z.array(FieldError).optional(),
});
export type ProblemBody = z.infer<typeof ProblemBody>;

/** Why a request is refused; the only way to answer anything but success. */
export class Problem extends Error {
  override name = "Problem";
  readonly code: ProblemCode;
  readonly status: ProblemStatus;
  readonly extra: Record<string, unknown>;

  /** @param extra further members of the answer */
  constructor(code: ProblemCode, detail: string, extra: Record<string, unknown> = {}) {
    super(detail);
    this.code = code;
    this.status = problemKinds[code].status;
    this.extra = extra;
  }
}

/** Answers every failure; for Hono's `onError`. */
export function answerError(error: Error, context: Context): Response {
  if (error instanceof Problem) return answerProblem(error, context);
  if (error instanceof HTTPException && error.status === 400) {
    return answerProblem(new Problem("malformed-json", "The body is not valid JSON"), context);
  }
  if (isTooLarge(error)) return answerProblem(new Problem("record-too-large", TOO_LARGE), context);
  log().error({ err: error, path: context.req.path }, "request failed");
  if (isTableFailure(error)) {
    return answerProblem(new Problem("table-unreachable", TABLE_UNREACHABLE), context);
  }
  return answerProblem(new Problem("internal", "The request failed; it was logged"), context);
}

export function answerProblem(
  problem: Problem,
  context: Context,
  headers: Record<string, string> = {},
): Response {
  const challenge = problem.status === 401 ? { "www-authenticate": "Bearer" } : {};
  const { retryAfterSeconds: seconds } = problem.extra;
  const retry = typeof seconds === "number" ? { "retry-after": String(seconds) } : {};
  return context.body(JSON.stringify(problemBody(problem, context.req.path)), problem.status, {
    "content-type": PROBLEM_MEDIA_TYPE,
    ...challenge,
    ...retry,
    ...headers,
  });
}

export function problemBody(
  { code, status, message, extra }: Problem,
  instance: string,
): ProblemBody {
  return {
    type: problemType(code),
    title: statusTitles[status],
    status,
    detail: message,
    instance,
    code,
    ...extra,
  };
}
