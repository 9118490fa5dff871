import { once } from "node:events";
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { CONNECTIONS_MAX, serverLimits } from "../emulators/aws/http/loopback.ts";
import { createApiPage, isForApiPage } from "./api-page.ts";
import { isForApi } from "./dashboard.ts";

export type Gateway = { url: string; close(): Promise<void> };

type Fetch = { fetch(request: Request): Response | Promise<Response> };

/**
 * Routes as the cloud does: agents' requests to one function, the API's to the other. What else is read
 * is the page of the API, or a file of the dashboard.
 * Broken connections are answered and closed by Node itself, within the bound of `limits`.
 */
export async function startGateway(options: {
  api: Fetch;
  agents: Fetch;
  dashboard: Fetch;
  port: number;
  /** Default: those of every local server. */
  limits?: typeof serverLimits;
}): Promise<Gateway> {
  const apiPage = createApiPage();
  const { api, agents, dashboard, limits = serverLimits } = options;
  const server = createAdaptorServer({
    fetch: (request: Request) => {
      const { pathname } = new URL(request.url);
      if (pathname.startsWith("/agent/")) return agents.fetch(request);
      if (isForApiPage(request)) return apiPage.fetch(request);
      return (isForApi(request) ? api : dashboard).fetch(request);
    },
    serverOptions: limits,
  }) as Server;
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(options.port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Expected a TCP port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
