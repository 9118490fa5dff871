/**
 * The AWS JSON 1.0 protocol on loopback: one POST per operation, named by the `X-Amz-Target`
 * header, JSON in and JSON out, errors as `{ __type, message }`.
 * https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
 *
 * The socket is bound to loopback only, and a request must name a loopback host and have the
 * protocol's content type, which keeps web pages in a browser on the same machine out (a simple
 * cross-site POST cannot have it). With an access key, each request must also be signed with it.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CONNECTIONS_MAX, requireLoopback, serverLimits } from "../http/loopback.ts";
import { BodyTooLargeError, readBody } from "../http/read-body.ts";
import {
  type Credentials,
  createSignatureCheck,
  type FindPrincipal,
  type Principal,
  type SignatureCheck,
  SignatureError,
  unknownKey,
} from "../http/signature.ts";
import { type JsonService, type Reply, replyTo } from "./answer.ts";
import { AwsError, tooLarge } from "./aws-error.ts";
import { createInProcessTransport, type InProcessTransport } from "./in-process-transport.ts";

export type JsonServerOptions = JsonService & {
  /** A loopback address. Default `127.0.0.1`. */
  host?: string | undefined;
  /** Default 0: any free port. */
  port?: number | undefined;
  /** A longer request body is refused with status 413. */
  bodyBytesMax: number;
  /** The name that clients sign requests to this service with, such as `dynamodb`. */
  signingName: string;
  /**
   * The access key that requests over HTTP must be signed with. Default: signatures are ignored.
   */
  credentials?: Credentials | undefined;
  /** Knows access keys with fewer rights. Default: there are none. */
  findPrincipal?: FindPrincipal | undefined;
  /** See `InProcessOptions`. Default false. */
  yieldsToWork?: boolean | undefined;
};

export type JsonServer = {
  /** `http://host:port` without a trailing slash. */
  endpoint: string;
  /** Reaches the service from within this process, without a connection or a signature. */
  transport: InProcessTransport;
  /**
   * Answers a request that another server has received, from any machine. Only principals may send
   * one (see `findPrincipal`), not who has the service's own access key.
   */
  answerOutside(request: IncomingMessage, response: ServerResponse): void;
  /** Stops listening, aborts waiting requests and resolves when the last answer is sent. */
  close(): Promise<void>;
};

const DRAIN_TIMEOUT_MS = 5_000;

/** @throws Error if `host` is not a loopback address or the port is taken */
export async function startJsonServer(options: JsonServerOptions): Promise<JsonServer> {
  const host = options.host ?? "127.0.0.1";
  requireLoopback(host);

  const { credentials, signingName, findPrincipal } = options;
  const checkSignature =
    credentials && createSignatureCheck(credentials, signingName, findPrincipal);
  const waiting = new Map<AbortController, Promise<unknown>>();
  const wait = <T>(gone: AbortController, answered: Promise<T>): Promise<T> => {
    const done = answered.finally(() => waiting.delete(gone));
    waiting.set(gone, done);
    return done;
  };
  const receive = (request: IncomingMessage, response: ServerResponse, isFromOutside: boolean) => {
    const gone = new AbortController();
    response.once("close", () => {
      // Aborting creates an error with its stack: too expensive for every answer that was sent.
      if (!response.writableFinished) gone.abort();
    });
    const http = { ...options, checkSignature, isFromOutside };
    void wait(gone, answer(http, request, response, gone));
  };
  const server = createServer(serverLimits, (request, response) => {
    receive(request, response, false);
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(options.port ?? 0, host);
  await once(server, "listening");

  let closed: Promise<void> | undefined;
  return {
    endpoint: endpointOf(server),
    transport: createInProcessTransport(
      async (received, gone) => {
        if (closed !== undefined) {
          throw new Error(`Failed to reach ${options.target}: it is closed`);
        }
        return wait(gone, replyTo(options, received, gone.signal));
      },
      { bodyBytesMax: options.bodyBytesMax, yieldsToWork: options.yieldsToWork ?? false },
    ),
    answerOutside: (request, response) => receive(request, response, true),
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

type HttpOptions = JsonServerOptions & {
  readonly checkSignature: SignatureCheck | undefined;
  readonly isFromOutside: boolean;
};

async function answer(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
  gone: AbortController,
): Promise<void> {
  const { method, headers } = request;
  const { isFromOutside } = options;
  const body = async () => {
    try {
      return await readSigned(request, options);
    } catch (error) {
      if (response.destroyed) gone.abort();
      if (error instanceof BodyTooLargeError) throw tooLarge(options.bodyBytesMax);
      throw error;
    }
  };
  await send(
    response,
    await replyTo(options, { method, headers, body, isFromOutside }, gone.signal),
  );
}

/** @throws BodyTooLargeError, or AwsError if the signature is not valid */
async function readSigned(request: IncomingMessage, options: HttpOptions): Promise<string> {
  const { method, url, headers } = request;
  const body = await readBody(request, options.bodyBytesMax);
  try {
    const principal = await options.checkSignature?.({ method, url, headers, body });
    if (principal !== undefined) requireRight(principal, headers["x-amz-target"], body);
    else if (options.isFromOutside) throw unknownKey();
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    const type = `com.amazon.coral.service#${error.name}`;
    throw new AwsError({ type, message: error.message });
  }
  return body;
}

/** @throws AwsError AccessDeniedException */
function requireRight(principal: Principal, target: string | string[] | undefined, body: string) {
  const operation =
    String(target ?? "")
      .split(".")
      .at(-1) ?? "";
  if (principal.mayCall(operation, parseInput(body))) return;
  throw new AwsError({
    type: "com.amazon.coral.service#AccessDeniedException",
    message: `The access key may not call ${operation} on this resource`,
    statusCode: 403,
  });
}

function parseInput(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
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
