import type * as z from "zod";
import "../../../functions/api/app.ts";
import { registry } from "../../../functions/api/routing.ts";

type Media = { schema: z.ZodType; example?: unknown; examples?: Record<string, unknown> };
type Content = Record<string, Media | undefined>;

/** An operation of the API as its route declares it, with the zod schemas. */
export type Declared = {
  method: string;
  path: string;
  operationId: string;
  request?: { body?: { content: Content } };
  responses: Record<string, { content?: Content } | undefined>;
};

export function declaredOperations(): Declared[] {
  return registry.definitions.flatMap((definition) =>
    definition.type === "route" ? [definition.route as unknown as Declared] : [],
  );
}

/** What an answer has that its operation does not declare; empty when it declares all of it. */
export function undeclared(
  method: string,
  path: string,
  answer: { status: number; body: Record<string, unknown> },
): string[] {
  const operation = declaredOperations().find(
    (one) => one.method === method.toLowerCase() && matches(one.path, path),
  );
  if (operation === undefined) return [];
  const { operationId, responses } = operation;
  const response = responses[answer.status];
  if (response === undefined) return [`${operationId}: status ${answer.status}`];
  const examples = response.content?.["application/problem+json"]?.examples;
  if (examples !== undefined && !(String(answer.body.code) in examples)) {
    return [`${operationId}: code ${answer.body.code}`];
  }
  const parsed = response.content?.["application/json"]?.schema.safeParse(answer.body);
  return parsed?.error ? [`${operationId}: ${parsed.error.message}`] : [];
}

function matches(pattern: string, path: string): boolean {
  const [plain = ""] = path.split("?");
  return new RegExp(`^${pattern.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(plain);
}
