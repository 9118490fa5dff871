/**
 * The AWS JSON 1.0 protocol on loopback: one POST per operation, named by the `X-Amz-Target`
 * header, JSON in and JSON out, errors as `{ __type, message }`.
 * https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
 *
 * Signatures are not checked: whoever can reach the socket may use it. Hence the socket is bound to
 * loopback only, and a request must name a loopback host and carry the protocol's content type,
 * which keeps web pages in a browser on the same machine out (no simple cross-site POST can).
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { AwsError, serializationError, unknownOperation } from "./aws-error.ts";

export type ServiceLogger = Pick<Logger, "debug" | "error">;

export interface JsonRequest {
  /** The operation's name without the service prefix, such as `PutItem`. */
  operation: string;
  input: Record<string, unknown>;
  /** Aborted when the client has gone or the server closes. */
  signal: AbortSignal;
}

export interface JsonServerOptions {
  /** What stands before the dot in `X-Amz-Target`, such as `DynamoDB_20120810`. */
  target: string;
  /** A loopback address, `127.0.0.1` unless told. */
  host?: string | undefined;
  /** 0 (the default) takes any free port. */
  port?: number | undefined;
  /** A longer request body is refused with status 413. */
  bodyBytesMax: number;
  /** Answers one request. Throws {@link AwsError} for what the client should see. */
  handle: (request: JsonRequest) => Promise<object> | object;
  logger?: ServiceLogger | undefined;
}

export interface JsonServer {
  /** `http://host:port` without a trailing slash. */
  endpoint: string;
  /** Stops listening, aborts waiting requests and resolves when the last answer is sent. */
  close(): Promise<void>;
}

const contentType = "application/x-amz-json-1.0";
const connectionsMax = 1024;
// Longer than a client keeps an idle socket, so that it is never the server who closes one
// just as a request is on its way.
const keepAliveTimeoutMs = 120_000;
const drainTimeoutMs = 5_000;
const discardedBytesMax = 64 * 1024 * 1024;

/** @throws Error when `host` is no loopback address or the port is taken. */
export async function startJsonServer(options: JsonServerOptions): Promise<JsonServer> {
  const host = options.host ?? "127.0.0.1";
  if (!isLoopback(host)) throw new Error(`Expected \`host\` to be a loopback address, got ${host}`);

  const waiting = new Map<AbortController, Promise<void>>();
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    const gone = new AbortController();
    response.once("close", () => {
      // An abort makes an exception with its stack: too dear for each answer that was sent.
      if (!response.writableFinished) gone.abort();
    });
    const done = answer(options, request, response, gone.signal).finally(() =>
      waiting.delete(gone),
    );
    waiting.set(gone, done);
  });
  server.maxConnections = connectionsMax;
  server.listen(options.port ?? 0, host);
  await once(server, "listening");

  let closed: Promise<void> | undefined;
  return {
    endpoint: endpointOf(server),
    close: () => {
      closed ??= close(server, waiting);
      return closed;
    },
  };
}

async function close(server: Server, waiting: Map<AbortController, Promise<void>>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  for (const gone of waiting.keys()) gone.abort();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, drainTimeoutMs);
  });
  await Promise.race([Promise.all(waiting.values()), deadline]);
  clearTimeout(timer);
  server.closeAllConnections();
  await closed;
}

async function answer(
  options: JsonServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = performance.now();
  const operation = operationOf(request, options.target);
  try {
    requireLoopbackJson(request);
    const body = await readBody(request, options.bodyBytesMax);
    if (operation === undefined) throw unknownTarget(request, options.target);
    const output = await options.handle({ operation, input: parseBody(body), signal });
    await send(response, 200, output);
  } catch (error) {
    await sendError(response, error, options.logger);
  }
  const durationMs = performance.now() - startedMs;
  options.logger?.debug({ operation, status: response.statusCode, durationMs }, "request answered");
}

function operationOf(request: IncomingMessage, prefix: string): string | undefined {
  const target = request.headers["x-amz-target"];
  if (typeof target !== "string" || !target.startsWith(`${prefix}.`)) return undefined;
  return target.slice(prefix.length + 1);
}

function unknownTarget(request: IncomingMessage, prefix: string): AwsError {
  const target = request.headers["x-amz-target"] ?? "none";
  return unknownOperation(`Expected \`X-Amz-Target\` to be ${prefix}.<operation>, got ${target}`);
}

function requireLoopbackJson(request: IncomingMessage): void {
  const { host, "content-type": type } = request.headers;
  const name = host?.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") ?? "";
  if (!isLoopback(name)) {
    throw new AwsError({
      type: "com.amazon.coral.service#AccessDeniedException",
      message: `Expected the \`Host\` header to name a loopback address, got ${host ?? "none"}`,
      statusCode: 403,
    });
  }
  if (request.method === "POST" && type?.split(";")[0]?.trim() === contentType) return;
  throw unknownOperation(
    `Expected a POST of ${contentType}, got a ${request.method} of ${type ?? "nothing"}`,
  );
}

function isLoopback(host: string): boolean {
  return host === "::1" || host === "localhost" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Reads a body that is too long to its end, unkept: a client reads no answer while it still writes. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    if (bytes > discardedBytesMax) break;
  }
  if (bytes > bytesMax) throw tooLarge(bytesMax);
  return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(bytesMax: number): AwsError {
  return new AwsError({
    type: "com.amazon.coral.service#RequestEntityTooLargeException",
    message: `Expected a request body of at most ${bytesMax} bytes`,
    statusCode: 413,
    headers: { connection: "close" },
  });
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

async function sendError(
  response: ServerResponse,
  error: unknown,
  logger: ServiceLogger | undefined,
): Promise<void> {
  if (error instanceof AwsError) {
    const body = { __type: error.type, message: error.message, ...error.members };
    return send(response, error.statusCode, body, error.headers);
  }
  // A client that went away in the middle of its request is no fault of this server.
  if (response.destroyed) return;
  logger?.error({ err: error }, "Failed to answer a request");
  const message = "Internal server error";
  return send(response, 500, {
    __type: "com.amazon.coral.service#InternalServerError",
    message,
  });
}

async function send(
  response: ServerResponse,
  statusCode: number,
  output: object,
  headers: Record<string, string> = {},
): Promise<void> {
  if (response.destroyed) return;
  const body = JSON.stringify(output);
  response.writeHead(statusCode, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "x-amzn-requestid": randomUUID(),
    ...headers,
  });
  const finished = new Promise<void>((resolve) => response.once("close", resolve));
  response.end(body);
  await finished;
}

function endpointOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
