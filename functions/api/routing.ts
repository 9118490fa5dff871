import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { VmDefinition } from "../../core/vm.ts";
import { invalid } from "../http/invalid.ts";
import { ProblemBody } from "../http/problem.ts";

// zod's JSON value contains itself, so the generator of the OpenAPI document needs a name for it.
// The method is taken from the prototype: schemas made before this library was loaded lack it.
const jsonValue = VmDefinition.shape.blockdevs.unwrap().element.valueType;
Reflect.apply(z.ZodType.prototype.openapi, jsonValue, ["JsonValue"]);

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
export function body<S extends z.ZodType>(schema: S) {
  return { body: { required: true, content: { "application/json": { schema } } } } as const;
}

/** A JSON answer. */
export function answer<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { "application/json": { schema } } } as const;
}

function problem(description: string) {
  return { description, content: { "application/problem+json": { schema: ProblemBody } } } as const;
}

export const problems = {
  401: problem("The operator's token is missing or wrong"),
  404: problem("What was named does not exist"),
  409: problem("It does not fit the present state"),
  413: problem("The body is too large"),
  422: problem("The request does not fit its schema"),
  503: problem("Something that is needed cannot be reached; try again"),
} as const;

export function pick<K extends keyof typeof problems>(...statuses: K[]) {
  return Object.fromEntries(statuses.map((status) => [status, problems[status]])) as Pick<
    typeof problems,
    K
  >;
}

export const limit = z.coerce.number().int().min(1).max(100).default(50);
