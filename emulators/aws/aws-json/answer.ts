/** One request in the AWS JSON 1.0 protocol, whatever carried it here, and its reply. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { AwsError, serializationError, unknownOperation } from "./aws-error.ts";

export type ServiceLogger = Pick<Logger, "debug" | "error">;

export type JsonRequest = {
  /** The operation's name without the service prefix, such as `PutItem`. */
  operation: string;
  input: Record<string, unknown>;
  /** Aborted when the client has gone or the server closes. */
  signal: AbortSignal;
};

export type JsonService = {
  /** What stands before the dot in `X-Amz-Target`, such as `DynamoDB_20120810`. */
  target: string;
  /** Answers one request. Throws {@link AwsError} for what the client should see. */
  handle: (request: JsonRequest) => Promise<object> | object;
  logger?: ServiceLogger | undefined;
};

export type Sent = {
  method: string | undefined;
  /** Names in lower case. */
  headers: Record<string, string | string[] | undefined>;
  /** Asked for once headers are accepted; may throw {@link AwsError}. */
  body: () => Promise<string> | string;
};

export type Reply = {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
};

const CONTENT_TYPE = "application/x-amz-json-1.0";

/** Never throws: what goes wrong is the reply. */
export async function replyTo(
  service: JsonService,
  sent: Sent,
  signal: AbortSignal,
): Promise<Reply> {
  const startedMs = performance.now();
  const operation = operationOf(sent, service.target);
  const reply = await answer(service, sent, operation, signal).catch((error: unknown) =>
    errorReply(error, service.logger, signal),
  );
  const durationMs = performance.now() - startedMs;
  service.logger?.debug({ operation, status: reply.statusCode, durationMs }, "request answered");
  return reply;
}

async function answer(
  service: JsonService,
  sent: Sent,
  operation: string | undefined,
  signal: AbortSignal,
): Promise<Reply> {
  requireLoopbackJson(sent);
  const body = await sent.body();
  if (operation === undefined) throw unknownTarget(sent, service.target);
  return reply(200, await service.handle({ operation, input: parseBody(body), signal }));
}

function operationOf({ headers }: Sent, prefix: string): string | undefined {
  const target = headers["x-amz-target"];
  if (typeof target !== "string" || !target.startsWith(`${prefix}.`)) return undefined;
  return target.slice(prefix.length + 1);
}

function unknownTarget({ headers }: Sent, prefix: string): AwsError {
  const target = headers["x-amz-target"] ?? "none";
  return unknownOperation(`Expected \`X-Amz-Target\` to be ${prefix}.<operation>, got ${target}`);
}

function requireLoopbackJson({ method, headers }: Sent): void {
  const { host, "content-type": type } = headers;
  const name =
    text(host)
      ?.replace(/:\d+$/, "")
      .replace(/^\[(.*)\]$/, "$1") ?? "";
  if (!isLoopback(name)) {
    throw new AwsError({
      type: "com.amazon.coral.service#AccessDeniedException",
      message: `Expected the \`Host\` header to name a loopback address, got ${host ?? "none"}`,
      statusCode: 403,
    });
  }
  if (method === "POST" && text(type)?.split(";")[0]?.trim() === CONTENT_TYPE) return;
  throw unknownOperation(
    `Expected a POST of ${CONTENT_TYPE}, got a ${method} of ${type ?? "nothing"}`,
  );
}

export function isLoopback(host: string): boolean {
  return host === "::1" || host === "localhost" || /^127(\.\d{1,3}){3}$/.test(host);
}

function parseBody(body: string): Record<string, unknown> {
  let input: unknown;
  try {
    input = JSON.parse(body === "" ? "{}" : body);
  } catch {
    throw serializationError("Expected the request body to be JSON");
  }
  if (typeof input === "object" && input !== null && !Array.isArray(input)) {
    return input as Record<string, unknown>;
  }
  throw serializationError("Expected the request body to be a JSON object");
}

function errorReply(error: unknown, logger: ServiceLogger | undefined, signal: AbortSignal): Reply {
  if (error instanceof AwsError) {
    const body = { __type: error.type, message: error.message, ...error.members };
    return reply(error.statusCode, body, error.headers);
  }
  // A client that went away in the middle of its request is no fault of this server.
  if (!signal.aborted) logger?.error({ err: error }, "Failed to answer a request");
  const message = "Internal server error";
  return reply(500, { __type: "com.amazon.coral.service#InternalServerError", message });
}

function reply(statusCode: number, output: object, headers: Record<string, string> = {}): Reply {
  const body = JSON.stringify(output);
  return {
    statusCode,
    headers: { "content-type": CONTENT_TYPE, "x-amzn-requestid": randomUUID(), ...headers },
    body,
  };
}

function text(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : header?.[0];
}
