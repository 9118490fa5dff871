import { OpenAPIRegistry } from "@asteasolutions/zod-to-openapi";
import type { OpenAPIHono, RouteConfig } from "@hono/zod-openapi";
import { type Handler, Hono, type MiddlewareHandler, type ValidationTargets } from "hono";
import { validator } from "hono/validator";
import * as z from "zod";
import { invalid } from "../http/invalid.ts";
import { PROBLEM_MEDIA_TYPE, ProblemBody } from "../http/problem.ts";
import { type ProblemCode, type ProblemStatus, problemKinds } from "../http/problem-codes.ts";

/** The operations of the API, which the OpenAPI document is written from. */
export const registry = new OpenAPIRegistry();

/** An operation, with the types of its path and schemas. */
export function createRoute<P extends string, R extends Omit<RouteConfig, "path"> & { path: P }>(
  route: R,
): R {
  return route;
}

/**
 * An app for one noun; requests that do not fit their schema are refused in one way. It has the type
 * of `@hono/zod-openapi`, and not its code: that holds on to the whole of zod with all its languages
 * (ADR 55).
 */
export function routes(): Pick<OpenAPIHono, "openapi"> {
  const app = new Hono();
  const openapi = (route: RouteConfig, handler: Handler) => {
    registry.registerPath(route);
    return app.on([route.method], [routingPath(route.path)], ...checksOf(route), handler);
  };
  return Object.assign(app, { openapi }) as never;
}

/** `/v1/hosts/{id}` becomes `/v1/hosts/:id`. */
export function routingPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

function checksOf({ request = {} }: RouteConfig): MiddlewareHandler[] {
  const { params, query, headers } = request;
  const json = request.body?.content["application/json"];
  const checks: [keyof ValidationTargets, unknown][] = [
    ["query", query],
    ["param", params],
    ["header", headers],
    ["json", json !== undefined && "schema" in json && json.schema],
  ];
  return checks.flatMap(([target, schema]) =>
    schema instanceof z.ZodType ? [check(target, schema)] : [],
  );
}

function check(target: keyof ValidationTargets, schema: z.ZodType): MiddlewareHandler {
  return validator(target, (value) => {
    const { success, data, error } = schema.safeParse(value);
    if (!success) throw invalid(error.issues, value);
    return data as object;
  });
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
export const WRITE: readonly ProblemCode[] = [
  ...READ,
  "body-too-large",
  "record-too-large",
  "not-json",
];

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
      .meta({ param: { description: "Entries of the page" } }),
    after: id.optional().meta({ param: { description: "`next` of the page before" } }),
  };
}
