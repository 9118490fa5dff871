import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { invalid } from "../http/invalid.ts";
import { PROBLEM_MEDIA_TYPE, ProblemBody } from "../http/problem.ts";
import { type ProblemCode, type ProblemStatus, problemKinds } from "../http/problem-codes.ts";

/** An app for one noun; requests that do not fit their schema are refused in one way. */
export function routes(): OpenAPIHono {
  return new OpenAPIHono({
    defaultHook: async (result, context) => {
      if (!result.success) {
        throw invalid(result.error.issues, await given(result.target, context));
      }
    },
  });
}

async function given(target: string, context: Context): Promise<unknown> {
  switch (target) {
    case "json":
      return context.req.json().catch(() => undefined);
    case "query":
      return context.req.query();
    case "param":
      return context.req.param();
    case "header":
      return context.req.header();
    default:
      return undefined;
  }
}

/** A JSON request body, required. */
export function body<S extends z.ZodType>(schema: S, example: z.input<S>) {
  return {
    body: { required: true, content: { "application/json": { schema, example } } },
  } as const;
}

/** A JSON answer. */
export function answer<S extends z.ZodType>(description: string, schema: S, example: z.input<S>) {
  return { description, content: { "application/json": { schema, example } } } as const;
}

/** What any operation with a token may be refused with. */
const ALWAYS = [
  "unauthorized",
  "scope-missing",
  "too-many-requests",
  "internal",
  "table-unreachable",
] as const;

/** What an operation that reads may be refused with, besides what it adds itself. */
export const READ: readonly ProblemCode[] = [...ALWAYS, "invalid"];

/** What an operation that changes something may be refused with: a body has a limit and a type. */
export const WRITE: readonly ProblemCode[] = [...READ, "body-too-large", "not-json"];

/** What an operation that needs a body may be refused with. */
export const SEND: readonly ProblemCode[] = [...WRITE, "malformed-json"];

/** Why a host may not take guests, or give them away. */
export const HOST_STATES: readonly ProblemCode[] = [
  "host-not-active",
  "cordoned",
  "host-draining",
  "host-maintenance",
  "host-retiring",
  "host-retired",
  "host-silent",
];

/**
 * The refusals of an operation, by status; each code has an example in `components.examples`. Their
 * types are left out, so that the typed client sees what an operation answers when it succeeds.
 */
export function refusals(
  common: readonly ProblemCode[],
  ...own: readonly ProblemCode[]
): Record<never, never> {
  const codes = [...new Set([...common, ...own])];
  const byStatus = Map.groupBy(codes, (code): ProblemStatus => problemKinds[code].status);
  const statuses = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(statuses.map(([status, found]) => [status, refusal(found)]));
}

function refusal(codes: readonly ProblemCode[]) {
  const examples = codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]);
  return {
    description: codes.map((code) => `\`${code}\`: ${problemKinds[code].meaning}`).join("; "),
    content: {
      [PROBLEM_MEDIA_TYPE]: { schema: ProblemBody, examples: Object.fromEntries(examples) },
    },
  };
}

/** The query parameters of a page; `id` is the cursor's schema. */
export function pageQuery<S extends z.ZodType>(id: S) {
  return {
    limit: z.coerce
      .number()
      .int()
      .min(1)
      .max(100)
      .default(50)
      .openapi({ param: { description: "Entries of the page" } }),
    after: id.optional().openapi({ param: { description: "`next` of the page before" } }),
  };
}
