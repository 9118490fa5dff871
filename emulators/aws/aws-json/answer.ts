/** One request in the AWS JSON 1.0 protocol, over HTTP or within the process, and its reply. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { namesLoopback } from "../http/loopback.ts";
import { AwsError, serializationError, unknownOperation } from "./aws-error.ts";
import { isStorageFailure } from "./storage-failure.ts";

export type ServiceLogger = Pick<Logger, "debug" | "error">;

export type JsonRequest = {
  /** The operation's name without the service prefix, such as `PutItem`. */
  operation: string;
  input: Record<string, unknown>;
  /** Aborted when the client disconnects or the server closes. */
  signal: AbortSignal;
};

export type JsonService = {
  /** The part of `X-Amz-Target` before the dot, such as `DynamoDB_20120810`. */
  target: string;
  /**
   * Answers one request.
   *
   * @throws AwsError for an error that the client is to see
   */
  handle: (request: JsonRequest) => Promise<object> | object;
  /** Resolves once the disk has what an answer may tell. Default: nobody waits for it. */
  settled?: (() => Promise<void>) | undefined;
  logger?: ServiceLogger | undefined;
};

export type Received = {
  method: string | undefined;
  /** Names in lower case. */
  headers: Record<string, string | string[] | undefined>;
  /** It came to a server that other machines reach: its `Host` header may name any machine. */
  isFromOutside?: boolean;
  /**
   * Called once the headers are accepted.
   *
   * @throws AwsError if the body is refused
   */
  body: () => Promise<string> | string;
};

export type Reply = {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
};

const CONTENT_TYPE = "application/x-amz-json-1.0";

/** Never throws: an error becomes the reply. */
export async function replyTo(
  service: JsonService,
  received: Received,
  signal: AbortSignal,
): Promise<Reply> {
  const startedMs = performance.now();
  const operation = operationOf(received, service.target);
  const reply = await answer(service, received, operation, signal).catch((error: unknown) =>
    errorReply(error, service.logger, signal),
  );
  const durationMs = performance.now() - startedMs;
  service.logger?.debug({ operation, status: reply.statusCode, durationMs }, "request answered");
  return reply;
}

async function answer(
  service: JsonService,
  received: Received,
  operation: string | undefined,
  signal: AbortSignal,
): Promise<Reply> {
  requireJson(received);
  const body = await received.body();
  if (operation === undefined) throw unknownTarget(received, service.target);
  try {
    return reply(200, await service.handle({ operation, input: parseBody(body), signal }));
  } finally {
    // An error tells what is stored, too.
    await service.settled?.();
  }
}

function operationOf({ headers }: Received, prefix: string): string | undefined {
  const target = headers["x-amz-target"];
  if (typeof target !== "string" || !target.startsWith(`${prefix}.`)) return undefined;
  return target.slice(prefix.length + 1);
}

function unknownTarget({ headers }: Received, prefix: string): AwsError {
  const target = headers["x-amz-target"] ?? "none";
  return unknownOperation(`Expected \`X-Amz-Target\` to be ${prefix}.<operation>, got ${target}`);
}

function requireJson({ method, headers, isFromOutside = false }: Received): void {
  const { host, "content-type": type } = headers;
  if (!isFromOutside && !namesLoopback(text(host))) {
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
  // A client that disconnects in the middle of its request is not a fault of this server.
  if (!signal.aborted) logger?.error({ err: error }, "Failed to answer a request");
  // AWS's error for a service that cannot do it now; the SDK's clients try again.
  const message = isStorageFailure(error)
    ? `The service cannot write to its storage: ${(error as Error).message}`
    : "Internal server error";
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
