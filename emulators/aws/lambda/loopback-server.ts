import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ServiceLogger } from "../aws-json/answer.ts";

export type LoopbackOptions = {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** A loopback address. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default 0: any free port. */
  readonly port?: number | undefined;
  readonly logger?: ServiceLogger | undefined;
};

export type LoopbackServer = {
  /** `http://host:port`, without a slash at its end. */
  readonly endpoint: string;
  /** Stops listening and cuts open connections. */
  close(): Promise<void>;
};

// Longer than a client keeps an idle socket, so that it is never the server who closes one just as
// a request is on its way.
const KEEP_ALIVE_MS = 120_000;

/**
 * Listens on loopback and nowhere else: who reaches the socket may use it. A request must name a
 * loopback host and may not come from a web page, which keeps browsers on the machine out.
 *
 * @throws Error if `host` is not a loopback address, or the port is taken
 */
export async function listenOnLoopback(options: LoopbackOptions): Promise<LoopbackServer> {
  const host = options.host ?? "127.0.0.1";
  if (!isLoopback(host)) throw new Error(`Expected \`host\` to be a loopback address, got ${host}`);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    if (!isWelcome(request)) {
      response.writeHead(403).end();
      return;
    }
    options.handle(request, response).catch((error: unknown) => {
      options.logger?.error({ err: error }, "request failed");
      response.destroy();
    });
  });
  server.listen(options.port ?? 0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The body is longer than the service takes. */
export class BodyTooLargeError extends Error {
  override name = "BodyTooLargeError";
}

const DISCARDED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reads a request's body as UTF-8 text. One that is too long is read to its end, unkept: a client
 * reads no answer while it still writes.
 *
 * @throws BodyTooLargeError if it is longer than `bytesMax`
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    if (bytes > DISCARDED_BYTES_MAX) break;
  }
  if (bytes <= bytesMax) return Buffer.concat(chunks).toString("utf8");
  throw new BodyTooLargeError(`Request must be smaller than ${bytesMax} bytes`);
}

function isWelcome(request: IncomingMessage): boolean {
  const { host, origin } = request.headers;
  const name = host?.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") ?? "";
  return isLoopback(name) && origin === undefined;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
