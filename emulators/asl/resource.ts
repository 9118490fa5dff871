/**
 * How a Task waits for its service. `sync` is `.sync:2`: the result arrives as JSON, not as text.
 */
export type Pattern = "request" | "sync" | "token";

/** The meaning of a Task's `Resource`. */
export type Resource =
  | { readonly kind: "function"; readonly arn: string }
  | {
      readonly kind: "service";
      readonly service: "lambda" | "states" | "dynamodb";
      readonly action: string;
      readonly pattern: Pattern;
    };

/** Parses a `Resource`; undefined if this engine does not support it. */
export function parseResource(text: string): Resource | undefined {
  if (FUNCTION_ARN.test(text)) return { kind: "function", arn: text };
  const match = SERVICE_ARN.exec(text);
  const offered = match?.[1] === undefined ? undefined : services[match[1]];
  return offered && { kind: "service", ...offered };
}

/** The optional integrations: supported only if the engine was started with them. */
export const integrations = [
  "dynamodb:getItem",
  "dynamodb:putItem",
  "dynamodb:updateItem",
  "dynamodb:deleteItem",
] as const;
export type IntegrationName = (typeof integrations)[number];

/** As history events name it: `invoke.waitForTaskToken`, `startExecution.sync:2`. */
export function eventResource(resource: Resource & { kind: "service" }): string {
  return resource.action + suffixes[resource.pattern];
}

const FUNCTION_ARN =
  /^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9_-]+(:[a-zA-Z0-9$_-]+)?$/;
const SERVICE_ARN = /^arn:aws[a-z-]*:states:::([a-zA-Z:.0-9-]+)$/;
const suffixes = { request: "", sync: ".sync:2", token: ".waitForTaskToken" } as const;

type Service = Omit<Resource & { kind: "service" }, "kind">;

const services: Readonly<Record<string, Service>> = {
  "lambda:invoke": { service: "lambda", action: "invoke", pattern: "request" },
  "lambda:invoke.waitForTaskToken": { service: "lambda", action: "invoke", pattern: "token" },
  "states:startExecution": { service: "states", action: "startExecution", pattern: "request" },
  "states:startExecution.sync:2": { service: "states", action: "startExecution", pattern: "sync" },
  ...Object.fromEntries(
    integrations.map((name): [string, Service] => [
      name,
      { service: "dynamodb", action: name.slice("dynamodb:".length), pattern: "request" },
    ]),
  ),
};
