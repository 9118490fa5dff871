/**
 * The AWS JSON 1.0 protocol on loopback: one POST per operation, named by the `X-Amz-Target`
 * header, JSON in and JSON out, errors as `{ __type, message }`.
 * https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
 *
 * Signatures are not checked: whoever can reach the socket may use it. Hence the socket is bound to
 * loopback only, and a request must name a loopback host and carry the protocol's content type,
 * which keeps web pages in a browser on the same machine out (no simple cross-site POST can).
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isLoopback, type JsonService, type Reply, replyTo } from "./answer.ts";
import { tooLarge } from "./aws-error.ts";
import { type Carrier, carrierTo } from "./carrier.ts";

export type JsonServerOptions = JsonService & {
  /** A loopback address, `127.0.0.1` unless told. */
  host?: string | undefined;
  /** 0 (the default) takes any free port. */
  port?: number | undefined;
  /** A longer request body is refused with status 413. */
  bodyBytesMax: number;
};

export type JsonServer = {
  /** `http://host:port` without a trailing slash. */
  endpoint: string;
  /** Reaches the service from within this process without a connection. */
  carrier: Carrier;
  /** Stops listening, aborts waiting requests and resolves when the last answer is sent. */
  close(): Promise<void>;
};

const CONNECTIONS_MAX = 1024;
// Longer than a client keeps an idle socket, so that it is never the server who closes one
// just as a request is on its way.
const KEEP_ALIVE_TIMEOUT_MS = 120_000;
const DRAIN_TIMEOUT_MS = 5_000;
const DISCARDED_BYTES_MAX = 64 * 1024 * 1024;

/** @throws Error when `host` is no loopback address or the port is taken. */
export async function startJsonServer(options: JsonServerOptions): Promise<JsonServer> {
  const host = options.host ?? "127.0.0.1";
  if (!isLoopback(host)) throw new Error(`Expected \`host\` to be a loopback address, got ${host}`);

  const waiting = new Map<AbortController, Promise<unknown>>();
  const wait = <T>(gone: AbortController, answered: Promise<T>): Promise<T> => {
    const done = answered.finally(() => waiting.delete(gone));
    waiting.set(gone, done);
    return done;
  };
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS }, (request, response) => {
    const gone = new AbortController();
    response.once("close", () => {
      // An abort makes an exception with its stack: too dear for each answer that was sent.
      if (!response.writableFinished) gone.abort();
    });
    void wait(gone, answer(options, request, response, gone));
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(options.port ?? 0, host);
  await once(server, "listening");

  let closed: Promise<void> | undefined;
  return {
    endpoint: endpointOf(server),
    carrier: carrierTo(async (sent, gone) => {
      if (closed !== undefined) throw new Error(`Failed to reach ${options.target}: it is closed`);
      return wait(gone, replyTo(options, sent, gone.signal));
    }, options.bodyBytesMax),
    close: () => {
      closed ??= close(server, waiting);
      return closed;
    },
  };
}

async function close(
  server: Server,
  waiting: Map<AbortController, Promise<unknown>>,
): Promise<void> {
  const closed = once(server, "close");
  server.close();
  for (const gone of waiting.keys()) gone.abort();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DRAIN_TIMEOUT_MS);
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
  gone: AbortController,
): Promise<void> {
  const { method, headers } = request;
  const body = () =>
    readBody(request, options.bodyBytesMax).catch((error: unknown) => {
      if (response.destroyed) gone.abort();
      throw error;
    });
  await send(response, await replyTo(options, { method, headers, body }, gone.signal));
}

/** Reads a body that is too long to its end, unkept: a client reads no answer while it still writes. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    if (bytes > DISCARDED_BYTES_MAX) break;
  }
  if (bytes > bytesMax) throw tooLarge(bytesMax);
  return Buffer.concat(chunks).toString("utf8");
}

async function send(response: ServerResponse, reply: Reply): Promise<void> {
  if (response.destroyed) return;
  const { statusCode, headers, body } = reply;
  response.writeHead(statusCode, { "content-length": Buffer.byteLength(body), ...headers });
  const finished = new Promise<void>((resolve) => response.once("close", resolve));
  response.end(body);
  await finished;
}

function endpointOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
