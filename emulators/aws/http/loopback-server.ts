import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { CONNECTIONS_MAX, namesLoopback, requireLoopback, serverLimits } from "./loopback.ts";

export type LoopbackOptions = {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** A loopback address. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default 0: any free port. */
  readonly port?: number | undefined;
  readonly logger?: Pick<Logger, "error"> | undefined;
};

export type LoopbackServer = {
  /** `http://host:port`, without a slash at its end. */
  readonly endpoint: string;
  /** Stops listening and cuts open connections. */
  close(): Promise<void>;
};

/**
 * Listens on loopback only. A request must name a loopback host and may not come from a web page,
 * which keeps browsers on the machine out.
 *
 * @throws Error if `host` is not a loopback address, or the port is taken
 */
export async function listenOnLoopback(options: LoopbackOptions): Promise<LoopbackServer> {
  const host = options.host ?? "127.0.0.1";
  requireLoopback(host);
  const server = createServer(serverLimits, (request, response) => {
    const { headers } = request;
    if (!namesLoopback(headers.host) || headers.origin !== undefined) {
      response.writeHead(403).end();
      return;
    }
    options.handle(request, response).catch((error: unknown) => {
      options.logger?.error({ err: error }, "request failed");
      response.destroy();
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
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
